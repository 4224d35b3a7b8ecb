"""What Home Assistant is told, so that it finds the box, its cameras, and what they see."""
