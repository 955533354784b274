"""Bluesky's public directory, as far as a list of people needs it: which account (DID) a handle is, and what it is called by now. Pure.

``app.bsky.actor.getProfiles`` takes 25 handles or DIDs, without a key, at the address that Bluesky gives for public reading; who is not in
the answer does not exist, was deleted, or is hidden. https://docs.bsky.app/docs/api/app-bsky-actor-get-profiles, checked 2026-11-20. Its limits
are not documented for this address; 3,000 requests in five minutes are those of the rest, and we stay far below.

A DID whose handle does not lead back to it is shown as ``handle.invalid``: that is no new name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from connectors.connector import Unreadable
from connectors.discovery import Account, Question, batches
from connectors.foreign import object_of
from connectors.lookup import Lookup
from connectors.rest import Ask

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE = 25
INVALID = "handle.invalid"


class Profiles(Lookup):
    """DIDs, handles and names of Bluesky accounts."""

    name = "bluesky"
    title = "Bluesky"
    quota: ClassVar[tuple[int, float]] = (600, 300.0)

    @classmethod
    def missing(cls, options: Any) -> tuple[str, ...]:  # noqa: ARG003 — it is public
        return ()

    def resolve(self, handles: Sequence[str]) -> list[Question]:
        return [
            Question(what="accounts", ask=Ask(url=f"{self._url}/xrpc/app.bsky.actor.getProfiles?{_actors(some)}"), about=some)
            for some in batches(handles, AT_ONCE)
        ]

    @property
    def _url(self) -> str:
        return str(self.opts.directory_url).rstrip("/")

    def read_resolved(self, question: Question, body: bytes) -> list[Account]:
        rows = object_of(body).get("profiles")
        if not isinstance(rows, list):
            raise Unreadable("no_profiles")
        found: dict[str, Account] = {}
        for row in rows:
            did, handle = (row.get("did"), row.get("handle")) if isinstance(row, dict) else (None, None)
            if isinstance(did, str) and did.startswith("did:") and isinstance(handle, str):
                handle = "" if handle == INVALID else handle.casefold()
                title = row.get("displayName")
                account = Account(
                    asked="", native_id=did, handle=handle, title=title[:200] if isinstance(title, str) and title else handle
                )
                found[did] = found[handle] = account
        return [
            replace(found[key], asked=asked)
            if (key := asked if asked.startswith("did:") else asked.lstrip("@").casefold()) in found
            else Account(asked=asked, native_id=None)
            for asked in question.about
        ]


def _actors(some: Sequence[str]) -> str:
    return urlencode([("actors", one.lstrip("@")) for one in some], safe=":")
