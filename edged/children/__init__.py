"""Processes that may die: a function in a process of its own, asked by messages. Nothing is unpickled."""
