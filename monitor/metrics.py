"""Prometheus metrics of the feed, made at each scrape from the book; docs/metrics.md describes them.

Promise: no counter ever falls without starting again at zero. Numbers in the book can fall (retractions), and after a restart they are
not zero; so counters hold what was *added since this process started*, and what was taken back is a counter of its own. Labels come
from closed sets only, platform, country, topic, session and state; each known value is there from the first scrape on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from monitor.channel_store import DELAY_BUCKETS
from monitor.frames import LATENCY_BUCKETS
from monitor.livestreams import STATES
from monitor.windows import ENGAGEMENT, KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client import Metric

    from monitor.feed import Feed

DEFINITIONS = "1"
"""Version of docs/definitions.md."""
AUTHORS_ERROR_RATIO = 0.0081
"""Standard error of a HyperLogLog as Redis keeps it."""
SEVERITIES = (("low", 1, 3), ("middle", 4, 6), ("high", 7, 10))
MOST_VALUES = 300
"""Most values of one label; those that come later are summed as ``other``."""


def make_registry(feed: Feed, version: str) -> CollectorRegistry:
    """A registry of its own: nothing of the process-wide default is exposed by accident."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FeedCollector(feed, version))
    return registry


class FeedCollector(Collector):
    """Reads the feed when it is scraped."""

    def __init__(self, feed: Feed, version: str) -> None:
        self._feed = feed
        self._version = version
        self._seen: dict[str, dict[str, None]] = {}

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._actions()
        yield from self._now()
        yield from self._discovery()
        yield from self._journal()
        yield from self._told_by_others()
        yield from self._walls()
        rehearsal = self._feed.config.rehearsal
        yield GaugeMetricFamily("livestream_rehearsal", "1 in a rehearsal: none of this is real.", value=int(rehearsal))
        yield InfoMetricFamily("livestream_build", "Version of the monitor.", {"version": self._version})
        yield InfoMetricFamily(
            "livestream_definitions", "Version of the definitions that the numbers follow.", {"version": DEFINITIONS}
        )

    # --- what was counted ---

    def _actions(self) -> Iterator[Metric]:
        platforms = self._values("platform", self._feed.ticker.state.get("platforms", ()))
        items = CounterMetricFamily(
            "livestream_items", "Posts counted; comments and likes are not further items.", labels=["platform"]
        )
        joins = CounterMetricFamily("livestream_joins", "Joins counted; a join is not engagement.", labels=["platform"])
        actions = CounterMetricFamily(
            "livestream_engagement_actions", "Engagement actions counted, by kind of action.", labels=["platform", "action"]
        )
        retracted = CounterMetricFamily(
            "livestream_retracted", "Actions taken back after they were counted, joins included.", labels=["platform", "action"]
        )
        seconds = CounterMetricFamily("livestream_viewer_seconds", "Viewers times seconds watched.", labels=["platform"])
        book = self._feed.book
        for platform in platforms:
            head = f"platform:{platform}"
            items.add_metric([platform], book.gross.get(f"{head}|posts", 0))
            joins.add_metric([platform], book.gross.get(f"{head}|joins", 0))
            seconds.add_metric([platform], book.gross.get(f"{head}|viewer_seconds", 0))
            for kind in ENGAGEMENT:
                actions.add_metric([platform, kind], book.gross.get(f"{head}|{kind}", 0))
            for kind in KINDS:
                retracted.add_metric([platform, kind], book.retracted.get(f"{head}|{kind}", 0))
        yield from (items, actions, joins, retracted, seconds)
        state = self._feed.ticker.state
        yield self._by("country", state.get("countries", ()), "Engagement actions by country of the streamer; ZZ is unknown.")
        yield self._by(
            "topic", state.get("topics", ()), "Engagement actions by topic; a message may have several, so topics overlap."
        )
        yield self._by("session", state.get("sessions", ()), "Engagement actions by session; sessions may overlap.")
        late = CounterMetricFamily("livestream_late_items", "Events counted more than 20 s after the end of their slot.")
        late.add_metric([], book.gross.get("total|late", 0))
        clamped = CounterMetricFamily("livestream_clamped_items", "Events whose time was not believable and was clamped.")
        clamped.add_metric([], book.gross.get("total|clamped", 0))
        gaps = CounterMetricFamily("livestream_gaps", "Recorded stretches in which events of a livestream may be missing.")
        gaps.add_metric([], book.gross.get("total|gaps", 0))
        yield from (late, clamped, gaps)

    def _by(self, label: str, known: Iterable[str], text: str) -> Metric:
        family = CounterMetricFamily(f"livestream_{label}_engagement_actions", text, labels=[label])
        values = self._values(label, known)
        for value in values[:MOST_VALUES]:
            family.add_metric([value], self._feed.book.gross.get(f"{label}:{value}|engagement", 0))
        if rest := values[MOST_VALUES:]:
            family.add_metric(["other"], sum(self._feed.book.gross.get(f"{label}:{value}|engagement", 0) for value in rest))
        return family

    def _values(self, dimension: str, known: Iterable[str]) -> Sequence[str]:
        """All values so far, in the order in which they were first seen: whoever has a series keeps it, and ``other`` loses nobody."""
        counted = {head.partition(":")[2] for head in self._feed.book.kinds if head.startswith(f"{dimension}:")}
        seen = self._seen.setdefault(dimension, {})
        seen.update(dict.fromkeys([*known, *sorted(counted)]))
        return list(seen)

    # --- how things are now ---

    def _now(self) -> Iterator[Metric]:
        state = self._feed.ticker.state
        livestreams = GaugeMetricFamily("livestream_livestreams", "Livestreams by state.", labels=["state"])
        for name in STATES:
            livestreams.add_metric([name], state.get("livestreams", {}).get(name, 0))
        viewers = GaugeMetricFamily(
            "livestream_concurrent_viewers", "Concurrent viewers; absent while unknown.", labels=["platform"]
        )
        for name, metrics in state.get("platforms", {}).items():
            if "now" in metrics.get("viewers", {}):
                viewers.add_metric([name], metrics["viewers"]["now"])
        authors = GaugeMetricFamily("livestream_unique_authors_estimate", "Unique authors, estimated.", labels=["window"])
        for window, count in state.get("totals", {}).get("authors", {}).items():
            authors.add_metric([window], count)
        voices = GaugeMetricFamily(
            "livestream_quotable_messages",
            "Messages that may be quoted: shown (approved, clean), or waiting for a person.",
            labels=["state"],
        )
        states = [one.get("state") for one in state.get("highlights", {}).values()]
        for name in ("approved", "clean", "waiting"):
            voices.add_metric([name], states.count(name))
        yield voices
        error = GaugeMetricFamily(
            "livestream_unique_authors_error_ratio", "Standard error of the estimate.", value=AUTHORS_ERROR_RATIO
        )
        yield from (livestreams, viewers, authors, error)
        as_of = self._feed.as_of_ms
        watermark = GaugeMetricFamily(
            "livestream_watermark_timestamp_seconds",
            "Unix time up to which everything received is counted; absent while unknown.",
        )
        if as_of is not None:
            watermark.add_metric([], as_of / 1000)
        yield watermark
        yield self._spikes()

    def _spikes(self) -> Metric:
        """Open ones by how grave they are; a class of severities and not a country or a topic, of which there may be many."""
        family = GaugeMetricFamily("livestream_spikes", "Open spikes, by severity: 1 to 3, 4 to 6, 7 to 10.", labels=["severity"])
        spikes = self._feed.ticker.state.get("spikes", {}).values()
        found = [spike.get("severity", 1) for spike in spikes if spike.get("state") == "open"]
        for name, low, high in SEVERITIES:
            family.add_metric([name], sum(low <= severity <= high for severity in found))
        return family

    # --- who is live ---

    def _discovery(self) -> Iterator[Metric]:
        coverage = self._feed.ticker.state.get("health", {}).get("coverage", {})
        known = GaugeMetricFamily(
            "livestream_coverage_livestreams", "Livestreams by how far they are covered, each part of the next.", labels=["part"]
        )
        for part in ("collected", "known_live", "reachable", "consented"):
            known.add_metric([part], coverage.get(part, 0))
        pending = GaugeMetricFamily(
            "livestream_pending_broadcasts",
            "Live broadcasts about which somebody must decide.",
            value=coverage.get("pending", 0),
        )
        asked = GaugeMetricFamily(
            "livestream_discovery_timestamp_seconds",
            "Unix time at which every channel of a platform had been asked last; absent where it cannot be asked.",
            labels=["platform"],
        )
        units = GaugeMetricFamily(
            "livestream_discovery_units",
            "Units of the platform's quota spent, of the day where it counts by the day.",
            labels=["platform"],
        )
        for platform, desk in sorted(self._feed.desks.items()):
            if desk.asked_at is not None:
                asked.add_metric([platform], desk.asked_at.timestamp())
            units.add_metric([platform], desk.spent)
        delays = HistogramMetricFamily(
            "livestream_discovery_delay_seconds",
            "From the beginning of a broadcast to its discovery, since the data folder was made.",
            labels=["platform"],
        )
        for platform, (counts, seconds) in sorted(self._feed.delays.items()):
            total, buckets = 0, []
            for bound, count in zip((*map(str, DELAY_BUCKETS), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, total))
            delays.add_metric([platform], buckets, seconds)
        yield from (known, pending, asked, units, delays)

    # --- the machinery ---

    def _journal(self) -> Iterator[Metric]:
        counts = self._feed.counts
        for name, value, text in (
            ("ingested_items", counts.stored.get("added", 0), "Events that the journal took."),
            ("duplicates_dropped", counts.stored.get("duplicates", 0), "Events that a platform delivered again."),
            (
                "resent_items",
                counts.stored.get("resent", 0),
                "Events that we sent to the journal again, to be sure; not duplicates.",
            ),
            ("journal_reads", counts.reads, "Times that the feed read the committed changes."),
            ("journal_read_failures", counts.read_failures, "Times that reading from Redis failed."),
            ("partition_loads", counts.loads, "Times that a partition was loaded whole."),
            ("unreadable_states", counts.unreadable, "States of livestreams that could not be read."),
        ):
            family = CounterMetricFamily(f"livestream_{name}", text)
            family.add_metric([], value)
            yield family

    def _told_by_others(self) -> Iterator[Metric]:
        """Collectors, moderation and notifiers have no page of their own; see ``tally``."""
        attempts = CounterMetricFamily("livestream_connector_attempts", "Connections that were opened.", labels=["platform"])
        failures = CounterMetricFamily(
            "livestream_connector_failures",
            "Connections that ended against our will: throttled, refused, dropped, or crashed by a fault of ours.",
            labels=["platform", "kind"],
        )
        unknown = CounterMetricFamily(
            "livestream_unknown_events", "Things that a platform told and we do not know or cannot read.", labels=["platform"]
        )
        flags = CounterMetricFamily("livestream_flags", "Messages that a rule flagged.", labels=["rule", "severity"])
        for name, value in sorted(self._feed.counts.stored.items()):
            match name.split("|"):
                case ["connector_attempts", platform]:
                    attempts.add_metric([platform], value)
                case ["connector_failures", platform, kind]:
                    failures.add_metric([platform, kind], value)
                case ["unknown_events", platform]:
                    unknown.add_metric([platform], value)
                case ["flags", *rule, severity]:
                    flags.add_metric(["|".join(rule), severity], value)
        yield from (attempts, failures, unknown, flags)
        for name, field, text in (
            ("flags_retracted", "flags_retracted", "Flags whose message was taken back."),
            ("notifications", "notifications|attempts", "Alerts that we tried to deliver."),
            ("notifications_failed", "notifications|failed", "Alerts that could not be delivered, and are tried again."),
            ("notifications_suppressed", "notifications|suppressed", "Alerts not sent because their message was taken back."),
        ):
            family = CounterMetricFamily(f"livestream_{name}", text)
            family.add_metric([], self._feed.counts.stored.get(field, 0))
            yield family

    def _walls(self) -> Iterator[Metric]:
        feed = self._feed
        yield GaugeMetricFamily("livestream_walls", "Walls connected to the feed.", value=len(feed.clients))
        frames = CounterMetricFamily("livestream_frames", "Frames sent to walls.")
        frames.add_metric([], feed.counts.frames)
        dropped = CounterMetricFamily("livestream_walls_dropped", "Walls dropped because they had stopped reading.")
        dropped.add_metric([], feed.counts.dropped)
        yield from (frames, dropped)
        total, buckets = 0, []
        for bound, count in zip((*map(str, LATENCY_BUCKETS), "+Inf"), feed.latency.buckets, strict=True):
            total += count
            buckets.append((bound, total))
        yield HistogramMetricFamily(
            "livestream_event_to_wall_seconds",
            "Age of events when they first stood in a frame (a sample of them).",
            buckets=buckets,
            sum_value=feed.latency.seconds,
        )
