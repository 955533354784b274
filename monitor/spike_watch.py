"""The keeper's search for what is unexpected: reads each slot once when it is closed, and writes the parts ``spikes`` and ``expected``.

A slot is closed twenty seconds after its end, and only when everything received until then is counted. It is read from its containers in
Redis, which know countries, topics, pairs and livestreams and stay for two hours: a new keeper learns the last hour from there, takes its
predecessor's spikes over from the part that it wrote, and judges on from the slot that was judged last. Arithmetic is in ``spikes``,
``evidence`` and ``expected``; what a card says in ``spike_card`` and ``spike_story``, what is read of the journal for it in ``spike_journal``.
"""

from __future__ import annotations

from collections import deque
from math import ceil, floor
from typing import TYPE_CHECKING, Any, Final

from monitor.enrich.topics import Matcher
from monitor.exposure import Exposure
from monitor.journal import key
from monitor.moments import from_ms, iso
from monitor.schedule import Schedule
from monitor.snapshot import event_day
from monitor.spike_card import as_card, from_card, story_of
from monitor.spike_journal import CLOSED_SECONDS, Acts
from monitor.spike_story import Said, by_country, heads, where, who, why
from monitor.spikes import SHOWN_SLOTS, Slot, Spike, Watch
from monitor.windows import ENGAGEMENT, MINUTE_SECONDS, SLOT_SECONDS
from monitor.yesterday import Yesterday, against, counterparts, engagement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.config import Config
    from monitor.expected import Range
    from monitor.feed import Feed
    from monitor.roster import Roster
    from monitor.wall_store import WallStore

LEARN_SLOTS: Final = 360
"""What a new keeper reads of the past."""
SLOTS_AT_ONCE: Final = 6
"""In one turn: a new keeper catches up within a minute and holds nobody up."""
MINUTES_AT_ONCE: Final = 20
KEPT_SLOTS: Final = 48
BEFORE_SLOTS: Final = 12
KEEP_CLOSED_SECONDS: Final = 2 * 3600
MOST_SHOWN_CLOSED: Final = 50
LOOK_SECONDS: Final = 60
AGAIN_SECONDS: Final = 60
"""After so long people are counted again in a spike that had too few."""

_KINDS = frozenset(ENGAGEMENT)


class Spikes:
    """A job of the keeper."""

    name = "spikes"
    seconds = 1.0

    def __init__(self) -> None:
        self.watch = Watch()
        self._config: Config | None = None
        self._roster: Roster | None = None
        self._next: int | None = None
        """Start of the next slot to read."""
        self._judge_from = 0
        """What comes before was judged by an earlier keeper; without one, all that can be read is."""
        self._learnt_at = 0
        """Up to here slots were read later than they were closed."""
        self._left: dict[str, Any] | None = None
        """The spikes of the keeper before, until the slots that it judged are read."""
        self._forget_all()

    def _forget_all(self) -> None:
        self._exposure = Exposure()
        self._stories: dict[str, dict[str, Any]] = {}
        """Spike id → what its card says beside the numbers."""
        self._asked: dict[str, int] = {}
        self._charts: dict[str, dict[str, Any]] = {}
        self._recent: deque[tuple[int, dict[str, int]]] = deque(maxlen=KEPT_SLOTS)
        self._seen: set[str] = set()
        self._yesterday = Yesterday()
        self._changes: dict[str, float] = {}
        self._written: dict[str, Any] = {}

    # what Keeper asks for

    async def begin(self, feed: Feed, store: WallStore) -> None:
        self._forget_all()
        self._config = None
        self._next = None
        found = await store.parts()
        self._left = found.get("spikes", {}) if "judged" in found.get("expected", {}) else None
        self._judge_from = int(found.get("expected", {}).get("judged", 0)) + SLOT_SECONDS

    async def turn(self, feed: Feed, store: WallStore, now_ms: int, token: str) -> None:
        as_of = feed.book.as_of_ms
        first = feed.book.first_counted
        if as_of is None or first is None:
            return
        self._configure(feed, as_of // 1000)
        end = (as_of // 1000 - CLOSED_SECONDS) // SLOT_SECONDS * SLOT_SECONDS
        if self._next is None:
            self._next = max(end - LEARN_SLOTS * SLOT_SECONDS, first // SLOT_SECONDS * SLOT_SECONDS)
            self._learnt_at = end
        starts = list(range(self._next, end, SLOT_SECONDS))[:SLOTS_AT_ONCE]
        for start, fields in zip(starts, await self._read(store, starts), strict=True):
            await self._take(feed, store, start, fields)
            self._next = start + SLOT_SECONDS
        await self._compare(feed, store, as_of // 1000)
        if self._next < end:
            return  # still learning what was: nothing that is so now can be said yet
        self._resume()
        parts = {"spikes": self._shown(now_ms // 1000), "expected": self._expected(feed)}
        if parts != self._written:
            await store.write(parts, token)
            self._written = parts

    # slots

    def _configure(self, feed: Feed, now: int) -> None:
        config, roster = feed.config, feed.roster
        if self._config is config and self._roster is roster:
            return
        new = self._config is None
        self._config, self._roster = config, roster
        # The simulated event is not tied to the calendar, but its programme is that of the file.
        bounds = [int(at.timestamp()) for session in config.sessions for at in (session.start, session.end)]
        if new:
            self.watch = Watch(bounds, minimum=config.spikes.minimum_count, false_per_hour=config.spikes.false_per_hour)
        else:
            self.watch.bounds = sorted(set(bounds))
        self._matcher = Matcher(config.topics)
        self._countries = {channel.id: channel.country or "ZZ" for channel in roster.channels}
        self._outside = {name for name, platform in config.platforms.items() if not platform.in_totals}
        inside = [channel for channel in roster.channels if channel.platform not in self._outside]
        self._members = {
            session.id: frozenset(channel.id for channel in inside if not session.tags.isdisjoint(channel.tags))
            for session in config.sessions
            if session.tags
        }
        self._sessions = {
            session.id: (int(session.start.timestamp()), int(session.end.timestamp())) for session in config.sessions
        }
        self._schedule = Schedule.of(config)

    def _resume(self) -> None:
        """What was judged before is as the earlier keeper said, however this one would have judged it."""
        if self._left is not None:
            found = {name: spike for name, one in self._left.items() if (spike := from_card(name, one)) is not None}
            for name in found:
                self._stories[name] = story_of(self._left[name])
                if "curve" in self._left[name]:
                    self._charts[name] = self._left[name]["curve"]
            self.watch.resume(found.values())
            self._left = None

    async def _read(self, store: WallStore, starts: Sequence[int]) -> list[dict[str, int]]:
        """Head → engagement of each slot, all partitions together."""
        if not starts:
            return []
        pipeline = store.journal.redis.pipeline(transaction=False)
        for partition in range(store.journal.partitions):
            for start in starts:
                pipeline.hgetall(key(partition, f"slot:{start}"))
        answers = await pipeline.execute()
        found: list[dict[str, int]] = [{} for _ in starts]
        for number, fields in enumerate(answers):
            slot = found[number % len(starts)]
            for head, count in heads({name.decode(): int(value) for name, value in fields.items()}, _KINDS).items():
                slot[head] = slot.get(head, 0) + count
        return found

    async def _take(self, feed: Feed, store: WallStore, start: int, slot: dict[str, int]) -> None:
        assert self._config is not None
        past, learning = start < self._judge_from, start < self._learnt_at
        if not past:
            self._resume()
        self._recent.append((start, slot))
        by_livestream = {head[11:]: count for head, count in slot.items() if head.startswith("livestream:")}
        self._seen.update(by_livestream)
        known = feed.around.livestreams
        live = {name for name, one in known.items() if one.state == "live" and one.platform not in self._outside}
        # What was live in the past nobody wrote down: whoever was heard of is taken to have stayed.
        present = self._seen if learning else live | set(by_livestream)
        belongs = {name: self._heads_of(name, feed) for name in present if name in known or name in self._countries}
        exposed = self._exposure.take(start, belongs, by_livestream)
        series = ["total", *(f"topic:{topic.id}" for topic in self._config.topics)]
        series += [head for head in slot if head.startswith("country:")]
        series += [f"country:{country}" for country in {one.country for one in known.values()}]
        counts = {head: max(0, slot.get(head, 0)) for head in series}
        for session, members in self._members.items():
            begin, end = self._sessions[session]
            if begin <= start < end:
                counts[f"session:{session}"] = sum(by_livestream.get(name, 0) for name in members)
        opened = self.watch.take(
            Slot(
                start=start,
                counts=counts,
                exposed=exposed,
                live=belongs,
                livestreams=by_livestream,
                pairs=by_country(slot, counts),
            )
        )
        if past:
            return
        for spike in opened:
            await self._ask(feed, store, spike)
        for spike in list(self.watch.spikes.values()):
            if spike.doubted and start - self._asked.get(spike.id, 0) >= AGAIN_SECONDS:
                await self._ask(feed, store, spike)
            if spike.state == "open":
                self._tell_where(spike)
            self._charts[spike.id] = self._chart(spike.head)

    def _heads_of(self, livestream: str, feed: Feed) -> tuple[str, ...]:
        known = feed.around.livestreams.get(livestream)
        country = known.country if known is not None else self._countries.get(livestream, "ZZ")
        sessions = (f"session:{session}" for session, members in self._members.items() if livestream in members)
        return ("total", f"country:{country}", *sessions)

    # stories

    def _own(self, head: str) -> list[str]:
        """Livestreams of a series; of a topic they are not known."""
        dimension, _, value = head.partition(":")
        if dimension == "country":
            return [name for name, country in self._countries.items() if country == value]
        if dimension == "session":
            return list(self._members.get(value, ()))
        return list(self._seen) if dimension == "total" else []

    def _tell_where(self, spike: Spike) -> None:
        inside = [slot for start, slot in self._recent if start >= spike.since][-SHOWN_SLOTS:]
        before = [slot for start, slot in self._recent if start < spike.since][-BEFORE_SLOTS:]
        if found := where(spike.head, inside, before, self._own(spike.head)):
            self._stories.setdefault(spike.id, {})["where"] = found

    async def _ask(self, feed: Feed, store: WallStore, spike: Spike) -> None:
        """Who is behind it and what they say, from the journal; too few people are no spike."""
        assert self.watch.newest is not None
        assert self._config is not None
        self._asked[spike.id] = self.watch.newest
        end = self.watch.newest + SLOT_SECONDS
        begin = max(spike.since, end - LOOK_SECONDS)
        acts, own = Acts(store.journal, self._matcher), frozenset(self._own(spike.head))
        entries, complete = await acts.of(spike.head, own, begin, end)
        before, _ = await acts.of(spike.head, own, spike.since - 3 * LOOK_SECONDS, spike.since - LOOK_SECONDS // 2)
        authors = [entry.author for _, entry in entries if entry.author]
        story = self._stories.setdefault(spike.id, {})
        if complete and len(authors) * 2 >= self.watch.series[spike.head].sum(2).actual:
            story |= who(authors)
        # Counts without authors (likes as a total) say nothing about people: then nobody is doubted for being few.
        if complete and authors and len(authors) * 2 >= len(entries):
            self.watch.doubt(spike.head, doubted=len(set(authors)) < self._config.spikes.minimum_authors)
        clean = await acts.clean([*entries, *before])
        said = [Said(entry.author or "", entry.text) for _, entry in entries if entry.id in clean and entry.text]
        then = [Said(entry.author or "", entry.text) for _, entry in before if entry.id in clean and entry.text]
        if words := why(said, then, self._config.spikes.minimum_authors):
            story["why"] = words

    # yesterday

    async def _compare(self, feed: Feed, store: WallStore, as_of: int) -> None:
        """A few more minutes of yesterday; and when all are there, today beside them."""
        today = event_day(feed.config.event, from_ms(as_of * 1000)).isoformat()
        begin = self._schedule.day_bounds(today)[0]
        yesterday = self._schedule.day(begin - 1)
        bounds = self._schedule.day_bounds(yesterday)
        wanted = self._yesterday.wanted(today, bounds, as_of - begin, MINUTES_AT_ONCE)
        if not wanted:
            return
        journal = store.journal
        found = [await journal.minutes(partition, wanted) for partition in range(journal.partitions)]
        for start in wanted:
            self._yesterday.take(start, (minutes[start] for minutes in found))
        if not self._yesterday.wanted(today, bounds, as_of - begin, 1):
            self._changes = self._yesterday.changes(await self._today(store, today, as_of // MINUTE_SECONDS * MINUTE_SECONDS))

    async def _today(self, store: WallStore, day: str, minute: int) -> dict[str, int]:
        """Today without the running minute: exact, with everything that came late."""
        found: dict[str, int] = {}
        for partition in range(store.journal.partitions):
            pipeline = store.journal.redis.pipeline(transaction=True)
            pipeline.hgetall(key(partition, f"day:{day}"))
            pipeline.hgetall(key(partition, f"minute:{minute}"))
            pipeline.hgetall(key(partition, f"minute:{minute + MINUTE_SECONDS}"))
            for number, fields in enumerate(await pipeline.execute()):
                for head, count in engagement({name.decode(): int(value) for name, value in fields.items()}).items():
                    found[head] = found.get(head, 0) + (count if number == 0 else -count)
        return found

    def _sessions_against(self, feed: Feed) -> dict[str, float]:
        curves = feed.around.curves
        found: dict[str, float] = {}
        for session, other in counterparts(feed.config.sessions, self._schedule).items():
            if session in curves and other in curves and (ratio := against(curves[session], curves[other])) is not None:
                found[f"session:{session}"] = ratio
        return found

    # parts

    def _expected(self, feed: Feed) -> dict[str, Any]:
        series: dict[str, Any] = {}
        for head in self.watch.series:
            until = self.watch.learning_until(head)
            expected = self.watch.expected(head)
            if expected is not None:
                series[head] = dict(zip(("low", "high"), whole(expected), strict=True))
            elif until is not None:
                series[head] = {"learning_until": iso(until * 1000)}
        return {
            "judged": self.watch.newest or 0,
            "watched": self.watch.watched,
            "series": series,
            "change": self._changes | self._sessions_against(feed),
        }

    def _shown(self, now: int) -> dict[str, Any]:
        closed = [spike for spike in self.watch.closed if spike.shown and now - (spike.closed or 0) < KEEP_CLOSED_SECONDS]
        spikes = [*closed[-MOST_SHOWN_CLOSED:], *(spike for spike in self.watch.spikes.values() if spike.shown)]
        shown = {spike.id: self._card(spike) for spike in spikes}
        self._stories = {name: story for name, story in self._stories.items() if name in shown or self._is_open(name)}
        self._charts = {name: chart for name, chart in self._charts.items() if name in shown or self._is_open(name)}
        return shown

    def _is_open(self, name: str) -> bool:
        return any(spike.id == name for spike in self.watch.spikes.values())

    def _card(self, spike: Spike) -> dict[str, Any]:
        running = [name for name, (begin, end) in self._sessions.items() if begin <= spike.since < end]
        card = as_card(spike, owner=self._owner(spike.head), session=running[0] if running else None)
        if chart := self._charts.get(spike.id):
            card["curve"] = chart
        return card | self._stories.get(spike.id, {})

    def _chart(self, head: str) -> dict[str, Any]:
        points = list(self.watch.series[head].points)
        return {
            "slot_seconds": SLOT_SECONDS,
            "start": iso(points[0].start * 1000),
            "actual": [point.actual for point in points],
            "low": [point.low for point in points],
            "high": [point.high for point in points],
        }

    def _owner(self, head: str) -> str:
        assert self._config is not None
        owners = self._config.spikes.owners
        dimension, _, value = head.partition(":")
        group = next((topic.group for topic in self._config.topics if head == f"topic:{topic.id}"), "")
        found = next((owners[name] for name in (head, value, group, dimension) if name in owners), None)
        return found or self._config.spikes.owner


def whole(expected: Range) -> tuple[int, int]:
    """Low and high in whole counts."""
    return floor(expected.low), ceil(expected.high)
