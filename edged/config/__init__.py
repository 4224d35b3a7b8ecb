"""config.yaml: read, checked as a whole, and turned into settings."""
