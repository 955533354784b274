"""A client for any Redis by its address: TCP, TLS, a socket, Sentinel or Cluster; commands packed in C, and nothing ever repeated by itself.

redis-py's own retries are off, because they repeat commands whose reply was lost.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import hiredis
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

RETRIABLE = (RedisError, OSError)
"""Whatever Redis answers (out of memory, read-only, loading) or does not answer: what is kept, or may be repeated, goes again later."""


class _Packed:
    """Commands packed in C: redis-py's asyncio connections pack them in Python, which costs a microsecond an argument."""

    def pack_command(self, *args: Any) -> list[bytes]:
        name = args[0]
        if isinstance(name, str) and " " in name:  # CONFIG GET and the like are two words on the wire
            args = (*name.split(), *args[1:])
        return [hiredis.pack_command(args)]


class _PackedTCP(_Packed, Connection):
    pass


class _PackedTLS(_Packed, SSLConnection):
    pass


class _PackedUnix(_Packed, UnixDomainSocketConnection):
    pass


def make_client(url: str, *, connections: int = 32, timeout_seconds: float = 10.0) -> Redis:
    """A client without retries for redis://, rediss://, unix://, redis+sentinel://host:port/service, redis+cluster://."""
    retry = Retry(NoBackoff(), 0)
    parts = urlsplit(url)
    if parts.scheme == "redis+cluster":
        from redis.asyncio.cluster import RedisCluster  # noqa: PLC0415 - only where it is used

        cluster: Any = RedisCluster.from_url(
            url.replace("redis+cluster", "redis", 1), retry=retry, socket_timeout=timeout_seconds
        )
        return cluster  # type: ignore[no-any-return]
    if parts.scheme == "redis+sentinel":
        from redis.asyncio.sentinel import Sentinel  # noqa: PLC0415 - only where it is used

        hosts = [
            (host.partition(":")[0], int(host.partition(":")[2] or 26379)) for host in parts.netloc.rpartition("@")[2].split(",")
        ]
        sentinel: Any = Sentinel(hosts, sentinel_kwargs={"socket_timeout": timeout_seconds, "password": parts.password})  # type: ignore[no-untyped-call]
        master: Redis = sentinel.master_for(
            parts.path.strip("/") or "mymaster", retry=retry, socket_timeout=timeout_seconds, password=parts.password
        )
        return master
    kinds: dict[str, type[Any]] = {"unix": _PackedUnix, "rediss": _PackedTLS}
    pool: Any = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        retry=retry,
    )
    pool.connection_class = kinds.get(parts.scheme, _PackedTCP)  # from_url would put its own in place of it
    return Redis.from_pool(pool)
