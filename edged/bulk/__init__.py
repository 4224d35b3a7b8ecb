"""Many items at once: listed, cut in parts, answered here or on Ray, one file a part."""
