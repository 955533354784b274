"""How the roster names a Kick channel: the slug as handle, and ``<broadcaster id>`` or ``<broadcaster id>/<chatroom id>`` as native id. Pure.

The broadcaster id is what the official API gives for a slug and what its webhooks carry. The chatroom id is another number, which only
the public socket needs and which only Kick's own web page tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.connector import Target


class Ids(NamedTuple):
    slug: str
    user_id: str
    """Empty while it is not resolved."""
    chatroom_id: str
    """Empty when the roster does not have it."""


def ids_of(target: Target) -> Ids:
    user, chatroom = _numbers(target.native_id or "")
    return Ids(target.handle.lstrip("@").casefold(), user, chatroom)


def user_of(native: str) -> str:
    """The broadcaster id of a native id; empty when it is none."""
    return _numbers(native)[0]


def channel_keys(directory: Mapping[str, str]) -> dict[str, str]:
    """Broadcaster id, slug and ``chatroom:<id>`` → livestream id, from the roster's ``native id or slug`` → livestream id."""
    keys: dict[str, str] = {}
    for name, livestream in directory.items():
        user, chatroom = _numbers(name)
        if user:
            keys[user] = livestream
        else:
            keys[name.lstrip("@").casefold()] = livestream
        if chatroom:
            keys[f"chatroom:{chatroom}"] = livestream
    return keys


def _numbers(native: str) -> tuple[str, str]:
    user, _, chatroom = native.partition("/")
    return (user if _is_number(user) else "", chatroom if _is_number(chatroom) else "")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 30
