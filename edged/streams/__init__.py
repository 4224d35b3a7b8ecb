"""A stream's way: the source, its gate, the lanes of its services, what is told of them."""
