"""Settings of gRPC."""

from edged.contracts.settings import Settings
from edged.flow.listening import Listen, ListenAddress


class GrpcSettings(Settings):
    """KServe's protocol over gRPC; wants `pip install 'edged[grpc]'`. Its token and its longest request are
    those of `http`."""

    listen: ListenAddress | None = None
    """`host:port`, such as 127.0.0.1:8081; null switches it off. Any other host than this machine's own needs
    `http.token`."""

    @property
    def address(self) -> Listen | None:
        """Where to listen; none: gRPC is switched off."""
        return Listen.parse(self.listen) if self.listen is not None else None
