"""Scheduling, and the two routes: a frame's and a request's."""
