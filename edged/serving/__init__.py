"""Which services are up, with which model, and the workers who give each its turn."""
