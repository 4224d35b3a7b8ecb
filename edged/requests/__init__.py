"""A request's way, whichever outside world it comes from: what is promised is on disk, and answered once."""
