"""A request's way, whichever outside world it comes from: journal, queue, media, item, answer."""
