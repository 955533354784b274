"""The hub that YouTube publishes to (PubSubHubbub 0.4, WebSub), as far as a subscriber meets it.

A subscription is accepted with 202 and stands once its address gave back the challenge; it ends when its lease does. What is published goes to
each address whose topic it is, as Atom, signed with its secret, and again when the address did not take it. What goes wrong on purpose: answers
that are given instead (``trouble``), topics that are denied, everything twice, a wrong signature.
"""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from random import Random

TOPIC: Final = "https://www.youtube.com/feeds/videos.xml?channel_id="
LONGEST_LEASE: Final = 864_000
USUAL_LEASE: Final = 432_000
TRIES: Final = 3


@dataclass(slots=True)
class Subscription:
    secret: str
    until: float


def entry(channel: str, video: str, title: str, stamp: str) -> str:
    """One video of a feed."""
    return (
        f"<entry><id>yt:video:{video}</id><yt:videoId>{video}</yt:videoId><yt:channelId>{channel}</yt:channelId>"
        f"<title>{escape(title)}</title><link rel='alternate' href={quoteattr(f'https://www.youtube.com/watch?v={video}')}/>"
        f"<author><name>somebody</name></author><published>{stamp}</published><updated>{stamp}</updated></entry>"
    )


def feed(channel: str, entries: str, stamp: str) -> bytes:
    """A channel's feed, as it can be asked for and as the hub sends it."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" '
        'xmlns:at="http://purl.org/atompub/tombstones/1.0" xmlns="http://www.w3.org/2005/Atom">'
        f"<link rel='self' href={quoteattr(f'{TOPIC}{channel}')}/><title>YouTube video feed</title><updated>{stamp}</updated>{entries}</feed>"
    ).encode()


class Hub:
    """Subscriptions by address and topic."""

    def __init__(self, *, clock: Callable[[], float], dice: Random, retry_seconds: float = 5.0) -> None:
        self.clock = clock
        self.dice = dice
        self.retry_seconds = retry_seconds
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        self.asked: list[tuple[str, str]] = []
        """Mode and topic of each request."""
        self.trouble: list[int] = []
        """Statuses that are answered next to a request."""
        self.denied: set[str] = set()
        """Topics that nobody may subscribe to."""
        self.everything_twice = False
        self.wrong_signature = False
        self.sent: list[int] = []
        """What the addresses answered to notifications."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/websub/subscribe", self._request)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def settled(self) -> None:
        """Everything that is under way arrived, or was given up."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- subscribing ----------------------------------------------------------------------------------------------------

    async def _request(self, request: web.Request) -> web.Response:
        form = await request.post()
        given = {name: str(value) for name, value in form.items()}
        mode, topic, callback = (given.get(f"hub.{name}", "") for name in ("mode", "topic", "callback"))
        self.asked.append((mode, topic))
        if self.trouble:
            return web.Response(status=self.trouble.pop(0), text="try again later")
        if mode not in ("subscribe", "unsubscribe"):
            return web.Response(status=400, text='Invalid parameter: hub.mode; Must be "subscribe" or "unsubscribe"')
        if not topic.startswith(TOPIC) or not callback.startswith(("http://", "https://")):
            return web.Response(status=400, text="Invalid parameter: hub.topic or hub.callback; must be valid URI")
        if len(given.get("hub.secret", "")) >= 200:
            return web.Response(status=400, text="Invalid parameter: hub.secret; too long")
        asked_for = given.get("hub.lease_seconds", "")
        lease = min(int(asked_for), LONGEST_LEASE) if asked_for.isdigit() else USUAL_LEASE
        self._start(self._verify(mode, topic, callback, given.get("hub.secret", ""), lease))
        return web.Response(status=202)

    async def _verify(self, mode: str, topic: str, callback: str, secret: str, lease: int) -> None:
        if topic in self.denied:
            await self._get(callback, {"hub.mode": "denied", "hub.topic": topic, "hub.reason": "not for you"})
            return
        challenge = f"{self.dice.getrandbits(128):x}"
        answer = await self._get(
            callback,
            {"hub.mode": mode, "hub.topic": topic, "hub.challenge": challenge, "hub.lease_seconds": str(lease)},
        )
        if answer != challenge:
            return
        if mode == "subscribe":
            self.subscriptions[callback, topic] = Subscription(secret, self.clock() + lease)
        else:
            self.subscriptions.pop((callback, topic), None)

    async def _get(self, callback: str, query: dict[str, str]) -> str:
        """The body of a 2xx, else nothing."""
        try:
            async with self._client().get(f"{callback}{'&' if '?' in callback else '?'}{urlencode(query)}") as reply:
                return await reply.text() if reply.status < 300 else ""
        except aiohttp.ClientError:
            return ""

    # --- telling --------------------------------------------------------------------------------------------------------

    def publish(self, channel: str, video: str, title: str) -> int:
        """A new video, or a changed one; gives how many addresses are told."""
        return self._tell(channel, entry(channel, video, title, self._stamp()))

    def delete(self, channel: str, video: str) -> int:
        """A video is gone, or private."""
        return self._tell(channel, f'<at:deleted-entry ref="yt:video:{video}" when="{self._stamp()}"/>')

    def _tell(self, channel: str, entry: str) -> int:
        topic = f"{TOPIC}{channel}"
        now = self.clock()
        told = [(where, one) for (where, what), one in self.subscriptions.items() if what == topic and one.until > now]
        document = feed(channel, entry, self._stamp())
        for where, one in told:
            for _ in range(2 if self.everything_twice else 1):
                self._start(self._post(where, document, one.secret))
        return len(told)

    async def _post(self, callback: str, document: bytes, secret: str) -> None:
        signature = hmac.digest(secret.encode(), document + (b"!" if self.wrong_signature else b""), "sha1").hex()
        headers = {"Content-Type": "application/atom+xml", "X-Hub-Signature": f"sha1={signature}"}
        for _ in range(TRIES):
            try:
                async with self._client().post(callback, data=document, headers=headers) as reply:
                    self.sent.append(reply.status)
                    if reply.status < 500:
                        return
            except aiohttp.ClientError:
                self.sent.append(0)
            await asyncio.sleep(self.retry_seconds)

    # --- underneath -----------------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        return self._session

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).isoformat()
