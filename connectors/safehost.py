"""Where a name that an attendee gave really leads: to public addresses only, and to exactly those that were looked at.

A person in the roster may type ``169.254.169.254`` or a name that answers with an address inside our network. So the name is resolved
once, every address must be public, and the connection goes to one of these addresses and not to the name again (which could
answer differently the second time). ``is_public`` is pure; ``resolve`` asks the resolver that is handed in; ``client`` goes there.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from connectors.connector import Dropped, Refused
from connectors.proxy import Proxy, address_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Lookup = Callable[[str, int], Awaitable[list[Any]]]

PORTS: Final = frozenset((80, 443, 8080, 8443))
"""Where livestream servers of attendees answer; others belong to other services of whoever is named."""
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
INSIDE: Final = (ipaddress.IPv6Network("fec0::/10"), ipaddress.IPv4Network("192.0.0.0/24"))
"""Networks of a site and of a link's own, which Python calls global."""
NOT_PUBLIC: Final = "the address leads into a private network; the roster must name a public server"


def is_public(address: str) -> bool:
    """Whether everybody on the internet could reach it; addresses inside addresses (mapped, 6to4, NAT64) are looked at too."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.teredo is not None or "%" in address:
            return False
        inner = found.ipv4_mapped or found.sixtofour
        if inner is None and found in NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    inside = found.is_multicast or found.is_reserved or found.is_unspecified or any(found in network for network in INSIDE)
    return found.is_global and not inside


async def ask_system(host: str, port: int) -> list[Any]:
    """The system's resolver."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def resolve(host: str, port: int, *, allow_private: bool = False, lookup: Lookup = ask_system) -> str:
    """The address to connect to. Raises Refused when any address of the name is not public, Dropped when the name has none now."""
    if not allow_private and port not in PORTS:
        raise Refused(f"port {port} is not one on which livestream servers answer; the roster must name another address")
    try:
        async with asyncio.timeout(10):
            found = await lookup(host, port)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise Dropped("the name of the server could not be looked up") from error
    addresses = [str(one[4][0]) for one in found]
    if not addresses:
        raise Dropped("the name of the server could not be looked up")
    if not allow_private and not all(is_public(address) for address in addresses):
        raise Refused(NOT_PUBLIC)
    # The old protocol first: it is the one that works on both ends.
    return min(addresses, key=lambda address: ":" in address)


class _Pinned(AbstractResolver):
    """Answers every question with the one address that was looked at before."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        kind = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        return [ResolveResult(hostname=host, host=self._address, port=port, family=kind, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is held."""


def client(address: str | None, *, proxy: Proxy | None = None) -> aiohttp.ClientSession:
    """A session for one connection, closed by its owner. An address that was looked at is reached directly, past every proxy."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_Pinned(address), use_dns_cache=False) if address else None,
        trust_env=address is None,
        proxy=address_of(proxy) if address is None else None,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=20.0),
    )
