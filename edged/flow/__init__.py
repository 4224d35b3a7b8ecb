"""How items and numbers move between threads: mailboxes, counters, back-off, units."""
