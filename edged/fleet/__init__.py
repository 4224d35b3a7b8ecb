"""All nodes at a broker, as they tell of themselves."""
