"""How much a box bears: a daemon of our own between cameras and clients that are made for it.

Nothing of the user's is written but what opening a model writes beside it, as `edged run` does.
"""
