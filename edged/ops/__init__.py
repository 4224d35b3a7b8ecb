"""Pre- and post-processing maths on arrays: pure functions, no state, no I/O."""
