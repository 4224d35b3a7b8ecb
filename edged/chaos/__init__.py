"""Faults on purpose: a scratch daemon, broker and cameras of our own, and what became of each request.

Nothing of the user's is written: his configuration names the models, and what is needed of them is copied.
"""
