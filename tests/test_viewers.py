"""Viewers now are those of the slow model: each livestream's newest word, as long as it is believed, whatever is late or polled anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.event import Viewers, as_json
from monitor.book import Book
from monitor.config import Config, Event, Platform
from monitor.derivation import Derivation, Place
from monitor.derive import Deriver
from monitor.derive_memory import Memory
from monitor.entry import decode_entry
from monitor.snapshot import Around, Picture
from monitor.windows import Loaded

if TYPE_CHECKING:
    from monitor.windows import ViewerSample

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PLACES = {"kick:a": "BR", "kick:b": "TH", "twitch:c": "BR", "shadow:d": "BR"}
DERIVER = Deriver(
    Derivation(
        timezone="UTC", day_start="00:00", sessions=[], topics=[], cross=[], outside_totals=["shadow"],
        livestreams={name: Place(country, None, []) for name, country in PLACES.items()},
    )
)  # fmt: skip
CONFIG = Config(
    event=Event(name="Test", timezone=ZoneInfo("UTC")), platforms={"shadow": Platform(name="shadow", in_totals=False)}
)


@st.composite
def told(draw) -> Viewers:
    """Late by up to five minutes, or by a clock that is ahead; the interval of its livestream changes with each word."""
    livestream = draw(st.sampled_from(sorted(PLACES)))
    received_at = START + timedelta(seconds=draw(st.integers(0, 1200)))
    late = draw(st.sampled_from([0.0, 0.5, 2.0, 45.0, 300.0, -30.0, -7200.0]))
    return Viewers(
        id="v", platform=livestream.partition(":")[0], livestream=livestream, at=received_at - timedelta(seconds=late),
        received_at=received_at, viewers=draw(st.integers(0, 50)),
        interval_seconds=draw(st.sampled_from([None, 20.0, 60.0, 75.0, 300.0, 400.0])),
    )  # fmt: skip


def slow(found: list[Viewers], now: datetime) -> dict[str, int]:
    newest: dict[str, tuple[datetime, Viewers]] = {}
    for one in found:
        at = min(one.at, one.received_at + timedelta(seconds=60))
        if one.livestream not in newest or at > newest[one.livestream][0]:
            newest[one.livestream] = (at, one)
    sums: dict[str, int] = {}
    for at, one in newest.values():
        if now < at + timedelta(seconds=max(180.0, 2.5 * (one.interval_seconds or 0))):
            heads = [f"platform:{one.platform}"]
            if one.platform != "shadow":
                heads += ["total", f"country:{PLACES[one.livestream]}"]
            for head in heads:
                sums[head] = sums.get(head, 0) + one.viewers
    return sums


def shown(state: dict[str, Any]) -> dict[str, int]:
    of = {"total": state["totals"]}
    of |= {f"country:{name}": one for name, one in state["countries"].items()}
    of |= {f"platform:{name}": one for name, one in state["platforms"].items()}
    return {head: one["viewers"]["now"] for head, one in of.items() if "now" in one.get("viewers", {})}


@settings(max_examples=150)
@given(st.lists(told(), max_size=20).map(lambda found: sorted(found, key=lambda one: one.received_at)), st.data())
def test_viewers_now_are_those_of_the_slow_model(found, data):
    book, picture = Book(1), Picture(CONFIG)
    stored: dict[str, ViewerSample] = {}

    def load(version: int, now_ms: int) -> None:
        book.load(0, Loaded(version, now_ms, {}, list(stored.values()), ("", "")), now_ms)

    load(0, 0)
    version, begin = 0, 0
    while begin < len(found):
        end = data.draw(st.integers(begin + 1, len(found)))
        entries = [decode_entry(as_json(one)) for one in found[begin:end]]
        version += 1
        change = DERIVER.batch(version, entries, Memory()).change
        for sample in change.viewers:  # as commit keeps them
            if sample.livestream not in stored or stored[sample.livestream].at_ms < sample.at_ms:
                stored[sample.livestream] = sample
        now = found[end - 1].received_at + data.draw(
            st.sampled_from([0, 59, 180, 239, 240, 749, 750]).map(lambda s: timedelta(seconds=s))
        )
        now_ms = int(now.timestamp() * 1000)
        if data.draw(st.booleans()):
            load(version, now_ms)
        else:
            book.apply(0, change)
        assert shown(picture.state(book, now_ms, Around())) == slow(found[:end], now)
        begin = end


def test_a_sample_from_a_clock_that_is_ahead_does_not_keep_the_next_one_out():
    ahead = Viewers(id="v", platform="kick", livestream="kick:a", at=START + timedelta(hours=2), received_at=START, viewers=900)
    right = Viewers(
        id="w",
        platform="kick",
        livestream="kick:a",
        at=START + timedelta(seconds=61),
        received_at=START + timedelta(seconds=61),
        viewers=7,
    )
    one, other = DERIVER.batch(1, [decode_entry(as_json(event)) for event in (ahead, right)], Memory()).change.viewers
    assert one.at_ms < other.at_ms
    assert one.expires_ms - one.at_ms == 180_000
