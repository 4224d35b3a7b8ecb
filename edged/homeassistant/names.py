"""Names as Home Assistant wants them: ids of `[A-Za-z0-9_-]` that are the same after each restart.

Topics and ids there have no other characters, and a node, a stream or a line may be called as one likes. So
an id is what is left of the name, for people, and a hash of all of it, so that no two names have the same.
"""

import hashlib
import re
import unicodedata

MOST_OF_SLUG = 24
"""Characters of a name that are left for people."""
_OTHERS = re.compile("[^a-z0-9]+")


def slug(*names: str) -> str:
    """What is left of names in small letters, digits and `_`; empty where nothing is."""
    plain = (unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode() for name in names)
    left = (_OTHERS.sub("_", name.lower()).strip("_")[:MOST_OF_SLUG].strip("_") for name in plain)
    return "_".join(part for part in left if part)


def hashed(*names: str) -> str:
    """Eight characters that other names have not; none of the names may hold a `/`."""
    return hashlib.sha256("/".join(names).encode()).hexdigest()[:8]


def identity(*names: str) -> str:
    """The id of what is called so: `door_1f4a09c7`."""
    return "_".join(part for part in (slug(*names), hashed(*names)) if part)


def readable(name: str) -> str:
    """For ids that people read, where Home Assistant itself tells two apart that are the same."""
    return slug(name) or hashed(name)


def quoted(text: str) -> str:
    """A text as a literal within a template: letters and digits as they are, all else escaped."""
    plain = (c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in text)
    return "'" + "".join(plain) + "'"
