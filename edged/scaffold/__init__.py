"""A plugin that works at once, for somebody to put a graph of his own into.

`templates/` holds the files; what differs from service to service is told by the service's record.
"""

from edged.scaffold.writing import CONFIG, new_plugin

__all__ = ["CONFIG", "new_plugin"]
