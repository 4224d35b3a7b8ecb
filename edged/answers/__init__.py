"""Answers: what the host does with a result, one file a kind of result.

In each file stand together what is published of it, what of it is an event, what is left of it for some
classes, how two of them are compared, and how it is drawn.
"""
