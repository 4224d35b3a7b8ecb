"""Many items at once: listed, cut in batches, answered here or on Ray, one file a batch."""
