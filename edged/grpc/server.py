"""The server of gRPC: what it takes of connections and messages, and how it ends."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from grpc import aio

from edged.flow.listening import Listen
from edged.grpc.guests import MOST_CONNECTIONS, Guests
from edged.grpc.methods import Methods
from edged.grpc.sources import GrpcSources

MOST_CALLS = 128
"""At the same time, so that few answers wait for slow readers; one more is refused by gRPC itself."""
GRACE_S = 1.0
"""Seconds that answers have to go out at a stop."""
_OPTIONS = (
    ("grpc.max_allowed_incoming_connections", 2 * MOST_CONNECTIONS),
    ("grpc.max_concurrent_streams", MOST_CONNECTIONS),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 75_000),
    ("grpc.keepalive_time_ms", 30_000),  # who vanished is noticed, and not worked for
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.so_reuseport", 0),  # else a second daemon would get half of the calls
    ("grpc.compression_enabled_algorithms_bitset", 1),  # none, as over HTTP
)


@asynccontextmanager
async def serving(address: Listen, sources: GrpcSources, guests: Guests) -> AsyncIterator[int]:
    """A server that runs, and its port, for the length of the block; then `GRACE_S` for its answers.

    Raises `RuntimeError` where the address cannot be had.
    """
    executor = ThreadPoolExecutor(1, "grpc-work")
    methods = Methods(sources, executor, guests)
    options = [*_OPTIONS, ("grpc.max_receive_message_length", sources.most_bytes)]
    server = aio.server(options=options, maximum_concurrent_rpcs=MOST_CALLS)
    server.add_generic_rpc_handlers((methods.handler(),))
    try:
        port = server.add_insecure_port(str(address))
        await server.start()
        yield port
    finally:
        methods.close()
        await server.stop(GRACE_S)
        executor.shutdown(wait=False, cancel_futures=True)
