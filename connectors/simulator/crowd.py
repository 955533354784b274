"""The crowd: who writes what, in which livestream, when. Pure: ``advance(now)`` gives what was sent since the last call.

Rates are pace.py's; on top lie a common swell of the event, one per country and the programme. A slow governor keeps the average of
all livestreams together exactly at ``rate`` without flattening a burst. Authors speak a zeta-distributed number of times with
log-normal gaps, never faster than the room's slow mode. Waves relabel messages (the same text from many people), so that they do not
disturb the fitted counts.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import accumulate
from math import exp, log
from typing import TYPE_CHECKING

from connectors.simulator.model import Kind, Member, Sent, SimChannel, make_member
from connectors.simulator.pace import Pace, Programme, Swell, manner_of, means, poisson
from connectors.simulator.platform import PLATFORMS
from connectors.simulator.texts import Phrases, Text, Voices, base_language

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

STEPS = 10
"""Steps of 0.1 s; each livestream plans one second ahead in the step that equals its index mod 10."""
_ZETA_CUT = 300
_SETTLE = 60.0
"""Seconds over which the governor pays back what chance gave or took."""
_SETTLE_PROGRAMME = 300.0
"""The same for what the programme gives or takes: slow, so that a session's start stays a start."""


def posts(channel: SimChannel) -> bool:
    """Whether it is a person who posts, and not a chat in which a crowd writes."""
    played = PLATFORMS.get(channel.platform)
    return played is not None and played.posts


def extend(channels: Sequence[SimChannel], count: int, platforms: Sequence[str] = ("twitch",)) -> list[SimChannel]:
    """``count`` channels: the first rows of the roster, and invented ones (in the roster's countries) beyond it, on ``platforms`` in turn."""
    if count <= len(channels):
        return list(channels[:count])
    like = channels or (SimChannel(livestream="", platform="twitch", handle="", country="CN", language="zh"),)
    extra = []
    for number in range(len(channels), count):
        platform, name = platforms[number % len(platforms)], f"simulated{number:05}"
        extra.append(
            SimChannel(
                livestream=f"{platform}:{name}",
                platform=platform,
                handle=name,
                # As a list has them that was checked: on Kick who has none is asked for one by one.
                native_id=str(900_000_000 + number) if platform in ("twitch", "kick") else None,
                country=like[number % len(like)].country,
                language=like[number % len(like)].language,
            )
        )
    return [*channels, *extra]


class Room:
    """One livestream's crowd."""

    __slots__ = (
        "channel",
        "country",
        "gap_floor",
        "group",
        "index",
        "languages",
        "pace",
        "partner",
        "ready",
        "side",
        "turn",
        "wave",
        "wave_left",
        "wave_until",
        "waves",
        "zeta",
    )

    def __init__(self, index: int, channel: SimChannel, pace: Pace, dice: Random, known: dict[str, Phrases]) -> None:
        self.index = index
        self.channel = channel
        self.pace = pace
        self.country = channel.country or ""
        own = base_language(channel.language, known)
        self.languages = [own] * 17 + (["zh", "es", "pt"] if own == "en" else ["en", "en", "zh"])
        self.languages = [language for language in self.languages if language in known]
        self.group = dice.choices(range(len(Programme.OFFSETS)), weights=Programme.WEIGHTS)[0]
        self.side = dice.randrange(2)
        self.ready: list[tuple[float, int, Member]] = []
        """People who will speak again, by when."""
        self.turn = 0
        large = pace.mean > 3
        draw = dice.random()
        self.gap_floor = (10.0 if draw < 0.5 else 30.0 if draw < 0.75 else 1.0) if large else 1.0
        self.zeta = 1.55 if pace.mean < 0.5 else 1.75 if pace.mean < 30 else 2.2
        self.waves = 0.05 if pace.mean >= 0.5 else 0.0005
        """Chance that a message starts a wave."""
        self.wave: Text | None = None
        self.wave_left = 0
        self.wave_until = 0.0
        self.partner: int | None = None
        """Room with which a Shared Chat is held."""


class Crowd:
    """Everybody in all livestreams."""

    def __init__(
        self,
        channels: Sequence[SimChannel],
        dice: Random,
        phrases: dict[str, Phrases],
        *,
        rate: float,
        start: float,
        sessions: Sequence[tuple[float, float]] = (),
        run: str = "00000000",
        strangers: float = 0.0,
    ) -> None:
        self.dice = dice
        self.rate = rate
        self.start = self.now = start
        self.strangers = strangers
        """Posts per second of people who are not on the roster."""
        self.sent = 0
        """Events of the livestreams so far."""
        self._prefix = f"{run[:8]}-{run[8:12] or '0000'}-4000-8000-"
        self._serial = 0
        self._people = 0
        self._steps = 0
        rates = _rates(dice, channels, rate)
        self.rooms = [
            Room(index, channel, Pace(mean, manner_of(mean), dice), dice, phrases)
            for index, (channel, mean) in enumerate(zip(channels, rates, strict=True))
        ]
        self._by_step = [[room for room in self.rooms[phase::STEPS] if room.pace.mean > 0] for phase in range(STEPS)]
        self._common = Swell(0.05, 20, dice)
        self._countries = {room.country: Swell(0.05, 120, dice) for room in self.rooms}
        self._programme = Programme(sessions, dice)
        self._voices = Voices(phrases, self._countries, len(sessions), dice)
        self._session = -1
        self._planned = 0.0
        """Events that the programme wanted so far."""
        self._shares: dict[tuple[int, int], float] = {}
        """(group, side) → its share of the rate."""
        for room in self.rooms:
            key = (room.group, room.side)
            self._shares[key] = self._shares.get(key, 0.0) + room.pace.mean / (rate or 1.0)
        self._lift: dict[tuple[int, int], float] = {}
        self._lifts: dict[str, float] = {}
        self._due: list[tuple[int, int, Sent]] = []
        """Deletions and bans that are still to come."""
        self._buckets: list[list[tuple[int, int]]] = [[] for _ in range(STEPS)]
        self._friends: list[Member] = []
        """People who were seen lately; one in 25 newcomers of a room is one of them."""
        self._zeta = {s: _zeta_table(s) for s in (1.55, 1.75, 2.2)}
        _pair(self.rooms, dice)

    def advance(self, now: float) -> list[Sent]:
        """Everything sent until ``now``, in order of time. After a pause of more than 1.5 s the time in between is skipped.

        What is skipped was never sent. Sending it late instead would be a lie: no chat server stamps a message seconds before it sends it.
        """
        if now - self.now > 1.5:
            self._skip(now - 0.1)
        out: list[Sent] = []
        while self.now + 0.1 <= now + 1e-6:
            self._step(out)
        return out

    def _skip(self, to: float) -> None:
        """Move everything that is planned into the present, by whole seconds."""
        gone = int(to - self.now)
        self.start += gone
        self.now += gone
        self._buckets = [[(at + gone * 1000, index) for at, index in bucket] for bucket in self._buckets]
        for _, _, sent in self._due:
            sent.at += gone * 1000
        self._due = [(sent.at, order, sent) for _, order, sent in self._due]  # all moved alike: still a heap

    def _step(self, out: list[Sent]) -> None:
        phase = self._steps % STEPS
        begin = self.now
        if phase == 0:
            self._second(begin)
        self._steps += 1
        self.now = self.start + (self._steps) / STEPS
        start = int(begin * 1000)
        dice, buckets = self.dice, self._buckets
        for room in self._by_step[phase]:
            lift = self._lifts[room.country] * self._lift[room.group, room.side]
            for _ in range(room.pace.count(dice, lift)):
                offset = int(dice.random() * 1000)
                buckets[(phase + offset // 100) % STEPS].append((start + offset, room.index))
        due, buckets[phase] = buckets[phase], []
        due.sort()
        end = start + 100
        before = len(out)
        for at, index in due:
            self._speak(out, at, self.rooms[index])
        while self._due and self._due[0][0] < end:
            out.append(heappop(self._due)[2])
        self.sent += len(out) - before
        if self.strangers:
            out.extend(self._stranger(start + int(dice.random() * 100)) for _ in range(poisson(dice, self.strangers / STEPS)))

    def _second(self, now: float) -> None:
        dice = self.dice
        self._session = self._programme.session_at(now)
        self._lift = {key: self._programme.factor(now, Programme.OFFSETS[key[0]], key[1]) for key in self._shares}
        lift = self._govern(now) * exp(self._common.step(dice) - 0.025)
        self._lifts = {country: lift * exp(swell.step(dice) - 0.025) for country, swell in self._countries.items()}

    def _govern(self, now: float) -> float:
        """Factor for the next second that brings the average back to ``rate``; moves what is planned until then."""
        if not self.rate:
            return 0.0
        programme = sum(share * self._lift[key] for key, share in self._shares.items())
        slow = 1 + (self.rate * (now - self.start) - self._planned) / (self.rate * _SETTLE_PROGRAMME)
        slow = min(1.5, max(0.5, slow))
        fast = 1 + (self._planned - self.sent) / (self.rate * _SETTLE)
        self._planned += self.rate * programme * slow
        return slow * min(1.5, max(0.5, fast))

    # --- one event ------------------------------------------------------------------------------------------------------

    def _native(self) -> str:
        self._serial += 1
        return f"{self._prefix}{self._serial:012x}"

    def _speak(self, out: list[Sent], at: int, room: Room) -> None:
        if posts(room.channel):
            self._post(out, at, room)
            return
        dice = self.dice
        member = self._member(room, at / 1000)
        draw = dice.random()
        if draw < 0.0078:
            self._notice(out, at, room, member, draw)
            return
        sent = Sent("message", at, self._native(), room.index, member, text=self._text(room, at / 1000))
        out.append(sent)
        if room.partner is not None:
            sent.shared = True
            out.append(Sent("copy", at, self._native(), room.partner, member, text=sent.text, target=sent))
            self.sent -= 1  # a copy is no event of its own
        if draw > 0.995:
            self._later(Sent("delete", at + 1000 + int(dice.random() * 59_000), "", room.index, member, target=sent))
        elif draw > 0.9945 and not member.gave and not member.known:
            member.left = 0
            seconds = None if draw > 0.9949 else dice.choice((60, 600, 600, 1800))
            self._later(Sent("ban", at + 1000 + int(dice.random() * 29_000), "", room.index, member, seconds=seconds))

    def _later(self, sent: Sent) -> None:
        self._serial += 1
        heappush(self._due, (sent.at, self._serial, sent))

    def _notice(self, out: list[Sent], at: int, room: Room, member: Member, draw: float) -> None:
        dice = self.dice
        member.gave = True
        kind: Kind
        if draw < 0.001:
            kind, units = "bits", dice.choice((1, 5, 50, 100, 100, 500, 1000))
            out.append(Sent(kind, at, self._native(), room.index, member, text=self._text(room, at / 1000), units=units))
            return
        if draw < 0.0058:
            kind = "sub" if draw < 0.003 else "resub" if draw < 0.005 else "subgift"
            words = self._text(room, at / 1000) if kind == "resub" and dice.random() < 0.5 else None
            out.append(Sent(kind, at, self._native(), room.index, member, text=words, units=1 + dice.randrange(36)))
            return
        if draw < 0.0068:
            units = dice.choice((1, 1, 5, 5, 10, 20))
            mystery = Sent("mystery", at, self._native(), room.index, member, units=units)
            self.sent -= 1  # its children are what counts
            out.append(mystery)
            out.extend(Sent("subgift", at, self._native(), room.index, member, target=mystery) for _ in range(units))
            return
        out.append(Sent("raid", at, self._native(), room.index, member, units=2 + int(dice.paretovariate(0.8)) % 5000))

    def _post(self, out: list[Sent], at: int, room: Room) -> None:
        sent = Sent("post", at, "", room.index, text=self._text(room, at / 1000))
        self._serial += 1
        sent.native = f"{self._serial:x}"
        out.append(sent)
        if self.dice.random() < 0.003:
            self._later(Sent("delete", at + 1000 + int(self.dice.random() * 59_000), "", room.index, target=sent))

    def _stranger(self, at: int) -> Sent:
        self._serial += 1
        room = self.dice.choice(self.rooms)
        text = self._voices.line(self.dice, self.dice.choice(room.languages), room.country, self._session, emotes=False)
        return Sent("strange", at, f"{self._serial:x}", -1, text=text)

    def _text(self, room: Room, now: float) -> Text:
        dice = self.dice
        if room.wave is not None:
            if now > room.wave_until or room.wave_left <= 0:
                room.wave = None
            elif dice.random() < 0.7:
                room.wave_left -= 1
                return self._voices.echo(dice, room.wave)
        language = dice.choice(room.languages)
        if room.wave is None and dice.random() < room.waves and room.channel.platform == "twitch":
            room.wave = text = self._voices.wave(dice, language)
            room.wave_left = min(int(dice.lognormvariate(2.08, 0.9)), 1000 if room.pace.mean > 10 else 100)
            room.wave_until = now + dice.uniform(13, 26)
            return text
        return self._voices.line(dice, language, room.country, self._session, emotes=room.channel.platform == "twitch")

    # --- who ------------------------------------------------------------------------------------------------------------

    def _member(self, room: Room, now: float) -> Member:
        """The person who has been ready longest, or somebody new."""
        dice, ready = self.dice, room.ready
        member: Member | None = None
        while ready and ready[0][0] <= now:
            member = heappop(ready)[2]
            if member.left > 0:
                break
            member = None  # banned meanwhile
        if member is None:
            member = self._newcomer(room)
        member.left -= 1
        if member.left > 0 and len(ready) < 2000:
            room.turn += 1
            gap = max(room.gap_floor * (1 + 0.1 * dice.random()), dice.lognormvariate(log(50), 1.4))
            heappush(ready, (now + gap, room.turn, member))
        return member

    def _newcomer(self, room: Room) -> Member:
        dice, table = self.dice, self._zeta[room.zeta]
        left = dice.choices(range(1, _ZETA_CUT + 1), cum_weights=table)[0]
        if self._friends and dice.random() < 0.04:
            friend = dice.choice(self._friends)
            member = Member(friend.user_id, friend.login, friend.display, left)
            member.head, member.middle, member.known = friend.head, friend.middle, True
            return member
        self._people += 1
        member = make_member(dice, self._people, dice.choice(room.languages), left)
        if len(self._friends) < 500:
            self._friends.append(member)
            member.known = True
        elif dice.random() < 0.05:
            self._friends[dice.randrange(500)] = member
            member.known = True
        return member


def _rates(dice: Random, channels: Sequence[SimChannel], rate: float) -> list[float]:
    """Mean rate of each channel. A person posts less than a chat talks: an author counts a quarter, and nobody is much above 1/s."""
    chats = [index for index, channel in enumerate(channels) if not posts(channel)]
    authors = [index for index, channel in enumerate(channels) if posts(channel)]
    posted = rate * len(authors) / (len(authors) + 4 * len(chats) or 1)
    rates = [0.0] * len(channels)
    for indexes, share, cap in ((chats, rate - posted, 60.0), (authors, posted, 1.0)):
        for index, mean in zip(indexes, means(dice, len(indexes), share, cap=cap), strict=True):
            rates[index] = mean
    return rates


def _zeta_table(alpha: float) -> list[float]:
    return list(accumulate(n**-alpha for n in range(1, _ZETA_CUT + 1)))


def _pair(rooms: list[Room], dice: Random) -> None:
    """One Twitch room in fifty holds a Shared Chat: what is written there is copied into another room."""
    twitch = [room for room in rooms if room.channel.platform == "twitch" and 0 < room.pace.mean < 3]
    if len(twitch) < 4:
        return
    for room in dice.sample(twitch, max(1, len(twitch) // 50)):
        other = dice.choice(twitch)
        if other is not room:
            room.partner = other.index
