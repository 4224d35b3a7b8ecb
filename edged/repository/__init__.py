"""What is installed and best, and instances of it that are shared."""
