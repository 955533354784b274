"""The address of an HTTP proxy, as a section of the configuration names it: checked when it is read, and never shown.

It may hold a name and a password, so it is a ``Secret`` whatever it holds. ``tell_environment`` keeps what runs on this machine out of the
proxies of the environment: HTTPS_PROXY leads to the world, not back to us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.connector import Secret

if TYPE_CHECKING:
    from collections.abc import MutableMapping

EXAMPLE = 'such as "http://proxy.example:3128"'
HERE = ("localhost", "127.0.0.1", "::1")


class Proxy(Secret):
    """Raises ValueError with a sentence that does not repeat the address."""

    __slots__ = ()

    def __init__(self, value: str) -> None:
        super().__init__(checked(value.strip()))

    @property
    def has_password(self) -> bool:
        return urlsplit(self.reveal()).password is not None


def checked(address: str) -> str:
    """The address; raises ValueError for one that cannot be used."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise ValueError(f"proxy: the address has no valid port; write one {EXAMPLE}") from None
    if parts.scheme.startswith("socks"):
        raise ValueError(f"proxy: a SOCKS proxy cannot be used; give the address of an HTTP proxy, {EXAMPLE}")
    if parts.scheme == "https":
        raise ValueError(f"proxy: the way to the proxy itself cannot be encrypted; write http://, {EXAMPLE}")
    if parts.scheme != "http" or not parts.hostname or port == 0:
        raise ValueError(f"proxy: expected the address of an HTTP proxy, {EXAMPLE}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"proxy: nothing may stand behind the port of the proxy; write it {EXAMPLE}")
    if parts.username is not None and parts.password is None:
        raise ValueError('proxy: a user name needs a password; write "http://name:password@proxy.example:3128" into the variable')
    return address


def address_of(proxy: Proxy | None) -> str | None:
    """For whoever connects; None: what the environment says."""
    return proxy.reveal() if proxy is not None else None


def tell_environment(environment: MutableMapping[str, str]) -> None:
    """Add this machine to NO_PROXY, where nobody has."""
    known = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    names = [name.strip() for name in known.split(",") if name.strip()]
    if "*" not in names:
        names += [name for name in HERE if name not in names]
    environment["no_proxy"] = environment["NO_PROXY"] = ",".join(names)
