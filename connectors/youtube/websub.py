"""WebSub (PubSubHubbub): YouTube's hub is asked to tell us about new videos of each channel, and asked again before it forgets. Pure.

``POST hub`` with ``hub.mode=subscribe``, the channel's feed as ``hub.topic`` and an address of ours; the hub answers 202 and then asks that
address whether we meant it (websub_hooks.py). It tells uploads and changed titles; live broadcasts are not promised: unscheduled ones come,
scheduled ones come when they are announced and not when they begin, some channels never come. So a notification only says which video to
look at. https://www.w3.org/TR/websub/ and https://developers.google.com/youtube/v3/guides/push_notifications, checked 2026-11-20.

The address holds a token that nobody can guess and the hub signs what it sends; both are made from the event's key, so nothing need be
configured and every process knows them. Subscriptions are asked for one after the other, and renewed when a fifth of their time is left.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

import msgspec

from connectors.connector import Throttled
from connectors.pacing import backoff
from connectors.pushing import Pusher, short
from connectors.rest import Ask, Reply, until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from connectors.connector import ConnectorFailure, Hint, Tools

TOPIC: Final = "https://www.youtube.com/feeds/videos.xml?channel_id="
LEASE: Final = timedelta(days=5)
"""What we ask for; the hub decides."""
LONGEST: Final = timedelta(days=10)
"""A longer lease is not believed."""
SHORTEST: Final = timedelta(minutes=5)
EARLY: Final = 0.2
"""A subscription is renewed when this part of its time is left …"""
SPREAD: Final = 0.1
"""… or up to this part earlier, each channel at a time of its own."""
NEW: Final = timedelta(seconds=5)
"""Whoever is asked by the hub must have heard of a new channel before."""
PACE: Final = timedelta(seconds=1)
"""Between two requests to the hub."""
UNANSWERED: Final = timedelta(minutes=10)
"""The hub has so long to ask whether we meant it; then twice as long, and so on."""
LONGEST_WAIT: Final = timedelta(hours=12)
DENIED: Final = timedelta(days=1)
HUB_WAITS: Final = (60.0, 1800.0)
"""Seconds between two tries while the hub is away: from … to."""


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """One channel's subscription, as it is remembered."""

    state: Literal["asked", "on", "denied", "leaving"]
    at: datetime
    """When that began."""
    callback: str
    hub: str = ""
    until: datetime | None = None
    """Of ``on``: when the hub will have forgotten it."""
    asked: datetime | None = None
    """Of ``on``: when it was asked for again; what is subscribed goes on until then."""
    tries: int = 0
    """How often it was asked for in vain."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Standing).decode


def topic_of(channel: str) -> str:
    return f"{TOPIC}{channel}"


def token_of(pseudonym: Callable[[str, str], str], channel: str) -> str:
    """What makes a channel's address one that nobody can guess."""
    return pseudonym("youtube websub address", channel)[:24]


def secret_of(pseudonym: Callable[[str, str], str], channel: str) -> str:
    """What the hub signs a channel's notifications with."""
    return pseudonym("youtube websub secret", channel)


def fraction(channel: str) -> float:
    """From 0 to 1, the same for the same channel: so that what was asked for together is not renewed together."""
    return int.from_bytes(hashlib.blake2b(channel.encode(), digest_size=4).digest()) / 2**32


class WebSub(Pusher):
    """The subscriptions of all channels."""

    name = "youtube"

    def __init__(self, options: Any, tools: Tools, callback: str) -> None:
        super().__init__(options, tools, callback)
        self._wanted: frozenset[str] = frozenset()
        self._since: dict[str, datetime] = {}
        """Channel → when we first heard of it."""
        self._standings: dict[str, Standing] = {}
        self._changed: set[str] = set()
        self._pending: tuple[str, str] | None = None
        """Channel and mode of the request that is under way."""
        self._not_before: datetime | None = None
        self._failures = 0
        self._now = datetime.min.replace(tzinfo=UTC)

    @classmethod
    def lacking(cls, options: Any, public_url: str) -> str | None:
        if not options.push:
            return None
        if not public_url:
            return "YouTube tells us of new videos only at a public address, and [public] url is empty"
        return ""

    def watch(self, native_ids: Collection[str]) -> None:
        self._wanted = frozenset(native_ids)

    def load(self, kept: Mapping[str, str]) -> None:
        for channel, text in kept.items():
            try:
                self._standings[channel] = _decode(text)
            except msgspec.DecodeError:
                continue  # a newer version of ours wrote it; it is asked for anew

    def changes(self) -> dict[str, str | None]:
        changed, self._changed = self._changed, set()
        return {one: _encode(self._standings[one]).decode() if one in self._standings else None for one in sorted(changed)}

    @property
    def standing(self) -> int:
        return sum(
            self._standings[one].state == "on" and not self._lapsed(one, self._now)
            for one in self._wanted & self._standings.keys()
        )

    # --- asking -------------------------------------------------------------------------------------------------------

    def next(self, now: datetime) -> Ask | None:
        self._now = now
        self._since = {one: self._since.get(one, now) for one in self._wanted}
        if self._not_before is not None and now < self._not_before:
            return None
        self._not_before = now + PACE
        due = min(((self._due(one, now), one) for one in self._wanted), default=None)
        if due is not None and due[0] <= now:
            return self._ask(due[1], "subscribe", now)
        gone = min((one for one, standing in self._standings.items() if one not in self._wanted), default=None)
        if gone is None:
            return None
        if self._standings[gone].state in ("denied", "leaving") or self._lapsed(gone, now):
            self._forget(gone)
            return None
        return self._ask(gone, "unsubscribe", now)

    def _due(self, channel: str, now: datetime) -> datetime:
        """When it must be asked for; those never asked for come first."""
        found = self._standings.get(channel)
        if found is None or found.state == "leaving" or not self._is_ours(found, channel):
            return self._since[channel] + NEW
        patience = min(UNANSWERED * (1 << min(found.tries, 10)), LONGEST_WAIT)
        match found.state:
            case "on" if found.until is not None:
                renewal = found.until - (found.until - found.at) * (EARLY + SPREAD * fraction(channel))
                return renewal if found.asked is None else max(renewal, found.asked + patience)
            case "denied":
                return found.at + DENIED
            case _:
                return found.at + patience

    def _lapsed(self, channel: str, now: datetime) -> bool:
        ends = self._standings[channel].until
        return ends is not None and ends <= now

    def _is_ours(self, standing: Standing, channel: str) -> bool:
        """Whether it was made by this hub for the address of now."""
        return standing.callback == self._address(channel) and standing.hub == self.opts.hub_url

    def _new(self, state: Literal["asked", "on", "denied"], channel: str, at: datetime, **more: Any) -> Standing:
        return Standing(state, at, self._address(channel), self.opts.hub_url, **more)

    def _address(self, channel: str) -> str:
        return f"{self.callback}/{channel}/{token_of(self.tools.pseudonym, channel)}"

    def _ask(self, channel: str, mode: str, now: datetime) -> Ask:
        self._pending = (channel, mode)
        standing = self._standings.get(channel)
        form = {
            "hub.mode": mode,
            "hub.topic": topic_of(channel),
            "hub.callback": standing.callback if standing is not None and mode == "unsubscribe" else self._address(channel),
            "hub.verify": "async",  # PubSubHubbub 0.3 must be told; later versions overlook it
            "hub.secret": secret_of(self.tools.pseudonym, channel),
            "hub.lease_seconds": str(int(LEASE.total_seconds())),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Ask(method="POST", url=self.opts.hub_url, headers=headers, body=urlencode(form).encode())

    def take(self, reply: Reply, now: datetime) -> None:
        if self._pending is None:
            return
        (channel, mode), self._pending = self._pending, None
        if 200 <= reply.status < 300:
            self._failures, self.trouble = 0, ""
            self._asked(channel, mode, now)
        elif reply.status in (400, 404, 410, 422) and mode == "unsubscribe":
            self._forget(channel)
        elif reply.status in (400, 403, 404, 410, 422):
            words = short(reply.body.decode("utf-8", "replace").strip())
            self.trouble = f"YouTube's hub refuses subscriptions (HTTP {reply.status}: {words}); look at [public] url and hub_url"
            self._set(channel, self._new("denied", channel, now))
            self._close(now)
        elif reply.status == 429:
            self._not_before = until(reply.headers, now)
        else:
            self.trouble = f"YouTube's hub answers HTTP {reply.status}; what is subscribed stays, the rest is found by looking"
            self._close(now)

    def failed(self, failure: ConnectorFailure, now: datetime) -> None:
        self._pending = None
        self.trouble = (
            f"YouTube's hub cannot be reached ({failure.reason}); what is subscribed stays, the rest is found by looking"
        )
        if isinstance(failure, Throttled):
            self._not_before = failure.until
        else:
            self._close(now)

    def _close(self, now: datetime) -> None:
        self._failures += 1
        least, most = HUB_WAITS
        self._not_before = now + timedelta(seconds=least * backoff(self._failures, self.tools.dice, cap=most / least))

    def _asked(self, channel: str, mode: str, now: datetime) -> None:
        before = self._standings.get(channel)
        if mode == "unsubscribe":
            self._set(channel, Standing("leaving", now, before.callback if before else self._address(channel), self.opts.hub_url))
            return
        tries = before.tries + 1 if before is not None and (before.asked or before.state == "asked") else 0
        stands = before is not None and before.state == "on" and self._is_ours(before, channel) and not self._lapsed(channel, now)
        if before is not None and stands:
            self._set(channel, msgspec.structs.replace(before, asked=now, tries=tries))
        else:
            self._set(channel, self._new("asked", channel, now, tries=tries))

    # --- what the hub said ----------------------------------------------------------------------------------------------

    def hear(self, hint: Hint, now: datetime) -> None:
        channel = hint.native_id
        if hint.what == "subscribed" and hint.until is not None:
            self._set(channel, self._new("on", channel, hint.at, until=hint.until))
        elif hint.what == "denied":
            self._set(channel, self._new("denied", channel, now))
        elif hint.what == "revoked":
            self._forget(channel)

    def _set(self, channel: str, standing: Standing) -> None:
        self._standings[channel] = standing
        self._changed.add(channel)

    def _forget(self, channel: str) -> None:
        self._standings.pop(channel, None)
        self._changed.add(channel)


def lease(seconds: str, now: datetime) -> datetime:
    """Until when the hub says it will remember us; nonsense is taken for what we asked."""
    given = timedelta(seconds=int(seconds)) if seconds.isascii() and seconds.isdigit() and len(seconds) < 9 else LEASE
    return now + max(SHORTEST, min(given, LONGEST))
