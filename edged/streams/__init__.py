"""Cameras, their supervisors and their gates."""
