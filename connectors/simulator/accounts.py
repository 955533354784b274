"""What platforms that say who somebody is, and nothing of who is live, answer about their accounts: pure, one function a platform.

Bluesky leaves out of ``getProfiles`` whom it does not know; Mastodon's ``lookup`` answers 404 for them; Telegram's ``getChat`` answers 400 "chat
not found", for private chats as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.simulator.statuses import DOMAIN, hash_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PROFILES_AT_ONCE = 25


def profiles(handles: Mapping[str, str], actors: Sequence[str]) -> dict[str, Any] | None:
    """``app.bsky.actor.getProfiles`` of these handles or DIDs; None where the question is refused (400)."""
    if not 1 <= len(actors) <= PROFILES_AT_ONCE:
        return None
    by_did = {did: handle for handle, did in handles.items()}
    found = []
    for actor in actors:
        name = actor.lower()
        did = actor if actor in by_did else handles.get(name)
        if did is not None:
            handle = by_did[did]
            found.append({"did": did, "handle": handle, "displayName": _shown(handle.partition(".")[0])})
    return {"profiles": found}


def account(people: Iterable[str], acct: str) -> dict[str, Any] | None:
    """``/api/v1/accounts/lookup`` of somebody of this instance, whose people are ``name@domain``; None: there is nobody (404)."""
    name = acct.lower().lstrip("@").partition("@")[0]
    who = f"{name}@{DOMAIN}"
    if who not in people:
        return None
    return {"id": str(hash_of(who)), "username": name, "acct": name, "display_name": _shown(name), "bot": False}


def _shown(name: str) -> str:
    return name.replace("_", " ").title()
