"""A request's way: the queue, its media, its item, the answer."""
