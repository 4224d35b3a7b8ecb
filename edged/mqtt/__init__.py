"""Requests in, answers and stream results out, over MQTT 5 or 3.1.1."""
