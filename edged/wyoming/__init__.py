"""Wyoming: how Home Assistant's voice asks for speech to text.

The floor of an outside world: it knows requests and answers, and nothing of the others. What needs the extra
`wyoming` is imported when the unit starts.
"""
