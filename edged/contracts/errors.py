"""Every error that `edged` raises on purpose, and the code that it publishes.

* EdgedError                     500
  + RequestError                      one request or frame cannot be served; the next one is tried
    x BadRequest                 400  not JSON; a field missing, unknown or of the wrong type
    x NotAllowed                 403  a URL or path that the configuration does not allow
    x NotFound                   404  no such service, one that nobody configured, or media not found
    x TooLarge                   413  over a limit: bytes, pixels, seconds, text length
    x NotMedia                   415  bytes that are no picture, audio or video
    x NotUsable                  422  well-formed but not usable: two faces, no audio track
    x QueueFull                  429  no room in the queue; try again later
    x InferenceError             500  the plugin or the runtime failed on this item
    x ChildDied                  500  the process in which it was worked on has died
    x NotReady                   503  configured, but not installed, or it failed to open
    x StoreFailed                503  the store of artefacts is full, read-only, or cannot be reached
    x TimedOut                   504  the deadline of the request has passed
    x Cancelled                  499  the caller asked to stop
  + ConfigError                  500  a file that the user wrote cannot be accepted as it is
    x CardError                  500  the file is a model card
  + PluginError                  500  a plugin could not be loaded; the others still are
  + RepositoryError              500  weights cannot be had or trusted
    x OriginError                500  no origin could deliver a file
    x ChecksumError              500  a file is not the one that the card names
    x VariantError               500  a variant cannot be derived or opened on this machine
  + SourceError                  500  a camera or microphone failed; its supervisor tries again

`code` follows HTTP, is published in JSON as `error_code` and never changes its meaning.
"""

from typing import ClassVar


class EdgedError(Exception):
    """Base class. `code` is published; the message is one sentence that a user can act on."""

    code: ClassVar[int] = 500


class RequestError(EdgedError):
    """One item cannot be served; the daemon goes on with the next."""


class BadRequest(RequestError):
    """The request is not JSON, or a field is missing, unknown or of the wrong type."""

    code = 400


class NotAllowed(RequestError):
    """The configuration does not allow this URL or path."""

    code = 403


class NotFound(RequestError):
    """There is no such service, nobody configured it here, or the media does not exist."""

    code = 404


class TooLarge(RequestError):
    """A limit of size is exceeded; the message names the limit."""

    code = 413


class NotMedia(RequestError):
    """The bytes are no picture, audio or video that can be decoded."""

    code = 415


class NotUsable(RequestError):
    """The input is well-formed, but the service cannot work with it."""

    code = 422


class QueueFull(RequestError):
    """No room in the queue now."""

    code = 429


class InferenceError(RequestError):
    """The plugin or the runtime failed on this item."""


class ChildDied(RequestError):
    """The process in which the item was worked on died of it, or was ended; another one takes its place."""


class NotReady(RequestError):
    """The service is configured, but its model is not installed or failed to open; or the box shuts down."""

    code = 503


class StoreFailed(RequestError):
    """The store of artefacts is full, read-only, or cannot be reached; the message names the setting."""

    code = 503


class TimedOut(RequestError):
    """The deadline of the request has passed."""

    code = 504


class Cancelled(RequestError):
    """The caller asked to stop, or the daemon is shutting down."""

    code = 499


class ConfigError(EdgedError):
    """A file that the user wrote cannot be accepted as it is; `faults` lists every reason."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class CardError(ConfigError):
    """A model card is wrong."""


class PluginError(EdgedError):
    """A plugin folder or package could not become registered models."""


class RepositoryError(EdgedError):
    """Weights cannot be had or trusted."""


class OriginError(RepositoryError):
    """No origin could deliver a file."""


class ChecksumError(RepositoryError):
    """A file is not the one that the card or the manifest names."""


class VariantError(RepositoryError):
    """A variant cannot be derived or opened on this machine; another one may work."""


class SourceError(EdgedError):
    """A camera or microphone failed; its supervisor tries again."""
