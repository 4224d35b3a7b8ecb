"""A clip in the place of a stream's source: how users tune lines, zones and rules."""
