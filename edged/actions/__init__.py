"""What is done when something happens: messages to phones, calls of webhooks, from disk until they arrive."""
