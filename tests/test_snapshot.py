"""The book and the state: sums that hold in every frame, patches that restore the next state, rates over whole slots."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.book import Behind, Book, Window
from monitor.config import Config, Event, Platform, Session, Simulator, Topic
from monitor.livestreams import Livestream, cells, hashtags, watched
from monitor.moments import iso
from monitor.patch import apply_patch, merge_patch, share
from monitor.roster import Channel, Roster
from monitor.snapshot import Around, Picture, event_day, gift_value
from monitor.windows import ENGAGEMENT, KINDS, SINCE, Change, Group, Loaded, ViewerSample

START = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)
NOW = int(START.timestamp())
KICK_OFF = Session(id="opening", name={"en": "Opening", "zh": "开幕"}, start=START, end=START + timedelta(minutes=2))
TRACK = Session(
    id="track", name={"*": "Track"}, start=START - timedelta(hours=1), end=START + timedelta(hours=1), tags=frozenset({"track"})
)
CONFIG = Config(
    event=Event(name="Summit", timezone=ZoneInfo("Asia/Shanghai"), day_start=time(4, 0), languages=("en", "zh")),
    sessions=(KICK_OFF, TRACK),
    topics=(Topic(id="hybrid", name={"en": "Hybrid"}, group="technology"), Topic(id="robots", name={"en": "Robots"})),
    platforms={
        "twitch": Platform(name="twitch"),
        "bluesky": Platform(name="bluesky"),
        "webhook": Platform(name="webhook", in_totals=False),
    },
    simulator=Simulator(enabled=True),
)


def heads(platform: str, country: str, topics: tuple[str, ...], livestream: str) -> list[str]:
    if platform == "webhook":
        return ["platform:webhook"]
    one = [
        "total",
        f"country:{country}",
        f"platform:{platform}",
        f"livestream:{livestream}",
        f"country+platform:{country}+{platform}",
    ]
    return [*one, *(f"topic:{topic}" for topic in topics), *(f"country+topic:{country}+{topic}" for topic in topics)]


def group(at: int, increments: dict[str, int], *, tagged: bool = False) -> Group:
    sessions = ["session:opening"] if NOW <= at < NOW + 120 else []
    sessions += ["session:track"] if tagged else []
    return Group([f"slot:{at // 10 * 10}", f"minute:{at // 60 * 60}", "day:2026-10-16", "total", *sessions], increments)


def change(version: int, *groups: Group, **more: Any) -> Change:
    return Change(version=version, groups=list(groups), **more)


def loaded(changes: list[Change], caught_up_ms: int = 0) -> Loaded:
    """What Redis would hold after these commits, added up the slow way."""
    containers: dict[str, dict[str, int]] = {}
    viewers: dict[str, ViewerSample] = {}
    for one in changes:
        for some in one.groups:
            for name in some.containers:
                found = containers.setdefault(name, {})
                for field, count in some.increments.items():
                    found[field] = found.get(field, 0) + count
        for sample in one.viewers:
            if sample.livestream not in viewers or viewers[sample.livestream].at_ms < sample.at_ms:
                viewers[sample.livestream] = sample
    return Loaded(
        version=len(changes), caught_up_ms=caught_up_ms, containers=containers, viewers=list(viewers.values()), position=("", "")
    )


def empty_book(partitions: int = 1, at: int = NOW - 3600) -> Book:
    book = Book(partitions)
    for partition in range(partitions):
        book.load(partition, loaded([]), at * 1000)
    return book


def caught_up(book: Book, at: float) -> Book:
    for partition in range(book.partitions):
        book.caught_up(partition, int(at * 1000))
    book.advance(int(at * 1000))
    return book


def picture(book: Book, at: float, around: Around | None = None, config: Config = CONFIG) -> dict[str, Any]:
    return Picture(config).state(book, int(at * 1000), around or Around())


def comments(at: int, count: int, country: str = "BR", topics: tuple[str, ...] = (), kind: str = "comments") -> Group:
    return group(at, {f"{head}|{kind}": count for head in heads("twitch", country, topics, f"twitch:{country}")})


# --- patches ----------------------------------------------------------------------------------------------------------

leaves = st.one_of(
    st.booleans(), st.integers(-5, 5), st.floats(-2, 2), st.text(max_size=3), st.lists(st.integers(0, 3), max_size=2)
)
keys = st.sampled_from(["a", "b", "c", "", "…"])
states = st.dictionaries(
    keys, st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, max_size=4), max_leaves=12), max_size=5
)


def as_bytes(state: Any) -> bytes:
    return orjson.dumps(state, option=orjson.OPT_SORT_KEYS)


@given(states, states)
@settings(max_examples=300, deadline=None)
def test_snapshot_and_delta_give_the_next_snapshot(old, new):
    patch = merge_patch(old, new)
    assert as_bytes(apply_patch(old, orjson.loads(orjson.dumps(patch)))) == as_bytes(new)
    assert (patch is None) == (as_bytes(old) == as_bytes(new))


@given(states, states)
@settings(max_examples=200, deadline=None)
def test_sharing_changes_no_value_and_keeps_what_is_equal(old, new):
    wanted = as_bytes(new)
    shared = share(old, new)
    assert as_bytes(shared) == wanted
    assert (shared is old) == (as_bytes(old) == wanted)


def test_a_patch_names_only_what_changed():
    old = {"a": {"x": 1, "y": 2}, "b": {"gone": 1}, "c": 3}
    assert merge_patch(old, {"a": {"x": 1, "y": 5}, "b": {}, "c": 3}) == {"a": {"y": 5}, "b": {"gone": None}}


# --- frame invariants -------------------------------------------------------------------------------------------------

events = st.lists(
    st.tuples(
        st.integers(0, 2),  # partition
        st.sampled_from(["twitch", "bluesky", "webhook"]),
        st.sampled_from(["BR", "CN", "ZZ"]),
        st.sampled_from([(), ("hybrid",), ("hybrid", "robots")]),
        st.sampled_from([*KINDS, "viewer_seconds", "guessed"]),
        st.integers(-90, 60),  # seconds from NOW
        st.integers(-3, 9),  # retraction is a negative increment
        st.booleans(),  # of a livestream of the tagged session
    ),
    max_size=25,
)


def commits(found: list[tuple[Any, ...]]) -> list[tuple[int, Change]]:
    versions = [0, 0, 0]
    result = []
    for partition, platform, country, topics, kind, offset, count, tagged in found:
        versions[partition] += 1
        increments = {f"{head}|{kind}": count for head in heads(platform, country, topics, f"{platform}:{country}{partition}")}
        sample = ViewerSample(
            f"{platform}:{country}{partition}", abs(count), (NOW + offset) * 1000, (NOW + offset + 60) * 1000, country, platform
        )
        result.append((partition, change(versions[partition], group(NOW + offset, increments, tagged=tagged), viewers=[sample])))
    return result


@given(events, st.integers(0, 70))
@settings(max_examples=150, deadline=None)
def test_countries_and_platforms_add_up_to_totals_in_every_state(found, after):
    book = caught_up(empty_book(3), NOW - 100)
    pictures = Picture(CONFIG)
    for partition, one in commits(found):
        book.apply(partition, one)
        state = pictures.state(caught_up(book, NOW + after), (NOW + after) * 1000, Around())
        for kind in (*KINDS, "engagement"):
            for measure in ("total", "per_minute"):
                totals = state["totals"].get(kind, {}).get(measure, 0)
                inside = [metrics for metrics in state["platforms"].values() if metrics["in_totals"]]
                assert sum(metrics.get(kind, {}).get(measure, 0) for metrics in state["countries"].values()) == pytest.approx(
                    totals, abs=0.5
                )
                assert sum(metrics.get(kind, {}).get(measure, 0) for metrics in inside) == pytest.approx(totals, abs=0.5)
        for metrics in (state["totals"], *state["countries"].values(), *state["topics"].values(), *state["sessions"].values()):
            assert metrics.get("engagement", {}).get("total", 0) == sum(
                metrics.get(kind, {}).get("total", 0) for kind in ENGAGEMENT
            )
        viewers = [metrics.get("viewers", {}).get("now", 0) for metrics in state["countries"].values()]
        assert sum(viewers) == state["totals"].get("viewers", {}).get("now", 0)
        assert b"null" not in orjson.dumps(state)


@given(events, st.integers(0, 25))
@settings(max_examples=150, deadline=None)
def test_applying_changes_in_order_is_loading_the_final_numbers(found, cut):
    """Wherever the load happens, also in the middle, twice, or in one partition only."""
    made = commits(found)
    at = NOW + 61
    followed, reloaded, half = empty_book(3, at), empty_book(3, at), empty_book(3, at)
    for number, (partition, one) in enumerate(made):
        followed.apply(partition, one)
        half.apply(partition, one)
        if number == cut:
            half.load(partition, loaded([c for p, c in made[: number + 1] if p == partition]), at * 1000)
    for partition in range(3):
        reloaded.load(partition, loaded([c for p, c in made if p == partition]), at * 1000)
    wanted = picture(caught_up(reloaded, at), at)
    assert picture(caught_up(followed, at), at) == wanted
    assert picture(caught_up(half, at), at) == wanted


@given(events, st.lists(st.integers(-80, 90), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_a_state_with_kept_parts_is_the_state_made_afresh(found, moments):
    """Cells and shared parts are only a saving: forgetting all of them changes nothing."""
    book = empty_book(3)
    keeping = Picture(CONFIG)
    made = commits(found)
    at = -90
    client: dict[str, Any] = {}
    for number, moment in enumerate(sorted(moments)):
        for partition, one in made[number :: len(moments)]:
            if one.version == book.versions[partition] + 1:
                book.apply(partition, one)
        at = moment
        caught_up(book, NOW + at)
        around = told_peaks(NOW + at, total=40)
        state = keeping.state(book, (NOW + at) * 1000, around)
        assert state == picture(book, NOW + at, around)
        client = apply_patch(client, merge_patch(client, state))
        assert client == state


# --- versions ---------------------------------------------------------------------------------------------------------


def test_a_known_change_is_ignored():
    book = empty_book()
    for version in (1, 2, 1, 2):
        book.apply(0, change(version, comments(NOW, 5)))
    assert book.totals["total|comments"] == 10


@pytest.mark.parametrize("wrong", [change(3, comments(NOW, 1)), change(2, comments(NOW, 1), rebased=True)])
def test_a_gap_or_rewritten_containers_ask_for_a_reload_and_change_nothing(wrong):
    book = empty_book()
    book.apply(0, change(1, comments(NOW, 5)))
    with pytest.raises(Behind) as caught:
        book.apply(0, wrong)
    assert caught.value.partition == 0
    assert (book.totals["total|comments"], book.versions[0]) == (5, 1)


def test_nothing_is_shown_before_every_partition_is_loaded():
    book = Book(2)
    book.load(0, loaded([change(1, comments(NOW, 5))], NOW * 1000), NOW * 1000)
    state = picture(book, NOW)
    assert state["totals"] == {}
    assert "as_of" not in state["health"]
    book.load(1, loaded([], NOW * 1000), NOW * 1000)
    assert picture(book, NOW)["totals"]["comments"]["total"] == 5


# --- as of, rates, history --------------------------------------------------------------------------------------------


def test_as_of_is_the_slowest_partition_and_unknown_while_one_never_caught_up():
    book = empty_book(2)
    book.caught_up(0, NOW * 1000)
    assert book.as_of_ms is None
    book.caught_up(1, (NOW - 7) * 1000)
    assert picture(book, NOW)["health"]["as_of"] == "2026-10-16T11:59:53.000Z"
    assert picture(book, NOW)["health"]["lag_seconds"] == 7.0


def test_what_waits_on_a_disk_makes_the_numbers_as_old_as_that_although_the_counter_has_nothing_left():
    book = empty_book(1)
    book.caught_up(0, NOW * 1000)
    health = picture(book, NOW, Around(held_back_ms=(NOW - 40) * 1000))["health"]
    assert (health["as_of"], health["lag_seconds"]) == ("2026-10-16T11:59:20.000Z", 40.0)
    assert picture(book, NOW)["health"]["lag_seconds"] == 0.0


def test_the_rate_is_the_sum_of_the_last_six_whole_slots():
    book = empty_book(at=NOW - 3600)
    book.apply(0, change(1, comments(NOW - 600, 1), *(comments(NOW - back, back) for back in (1, 10, 11, 60, 61))))
    rate = {at: picture(caught_up(book, at), at)["totals"]["comments"]["per_minute"] for at in (NOW, NOW + 9.9, NOW + 10)}
    assert rate == {NOW: 1 + 10 + 11 + 60, NOW + 9.9: 82, NOW + 10: 22}


def test_a_late_count_reaches_the_rate_of_its_own_slot():
    book = empty_book()
    book.apply(0, change(1, comments(NOW - 600, 1)))
    caught_up(book, NOW)
    book.apply(0, change(2, comments(NOW - 30, 4)))
    assert picture(book, NOW)["countries"]["BR"]["comments"] == {"total": 5, "per_minute": 4}


def test_in_the_first_minute_the_rate_is_scaled_from_the_whole_slots_there_are():
    book = empty_book()
    book.apply(0, change(1, comments(NOW, 3)))
    shown = [
        picture(caught_up(book, NOW + after), NOW + after)["totals"]["comments"].get("per_minute") for after in (5, 10, 20, 60)
    ]
    assert shown == [None, 18.0, 9.0, 3]


def test_the_rate_is_unknown_when_the_loaded_slots_do_not_reach_back_to_as_of():
    """Counting is ten minutes behind when serve starts: Redis gives the newest slots only, so a sum of old ones would be too small."""
    book = Book(1)
    book.load(0, loaded([change(1, comments(NOW - 7200, 5))], NOW * 1000), (NOW + 600) * 1000)
    assert "per_minute" not in picture(caught_up(book, NOW), NOW + 600)["totals"]["comments"]


def test_a_tagged_session_has_no_rate_until_its_slots_were_followed():
    book = empty_book(at=NOW)
    book.apply(0, change(1, group(NOW + 1, {"total|comments": 6}, tagged=True)))
    early = picture(caught_up(book, NOW + 60), NOW + 60)["sessions"]
    assert early["track"]["comments"] == {"total": 6}
    assert early["opening"]["comments"] == {"total": 6, "per_minute": 6}
    book.apply(0, change(2, group(NOW + 65, {"total|comments": 2}, tagged=True)))
    assert picture(caught_up(book, NOW + 80), NOW + 80)["sessions"]["track"]["comments"] == {"total": 8, "per_minute": 2}


def test_history_has_sixty_whole_minutes_and_minus_one_before_the_first_count():
    book = empty_book(at=NOW)
    book.apply(0, change(1, comments(NOW - 60, 5), comments(NOW - 180, 2), comments(NOW, 9)))
    history = picture(caught_up(book, NOW + 30), NOW + 30)["history"]
    assert history["engagement"] == [-1] * 57 + [2, 0, 5]
    assert history["start"] == "2026-10-16T11:00:00.000Z"
    later = picture(caught_up(book, NOW + 60), NOW + 60)["history"]
    assert later["engagement"][-2:] == [5, 9]


def test_what_a_platform_had_counted_before_we_looked_is_no_history_and_does_not_hide_where_ours_begins():
    head = {"total|reactions": 500, "platform:youtube|reactions": 500}
    containers = {"total": head, f"minute:{NOW - 120}": {"total|earlier.reactions": 500}}
    book = Book(1)
    book.load(0, Loaded(version=1, caught_up_ms=0, containers=containers, viewers=[], position=("", "")), NOW * 1000)
    book.apply(0, change(2, comments(NOW, 2)))
    state = picture(caught_up(book, NOW + 60), NOW + 60)
    assert state["history"]["engagement"] == [-1] * 59 + [2]
    assert state["totals"]["reactions"] == {"total": 500, "per_minute": 0}


def test_each_topic_that_was_counted_has_its_own_history():
    book = empty_book(at=NOW)
    book.apply(0, change(1, comments(NOW - 120, 2), group(NOW - 60, {"total|comments": 7, "topic:robots|comments": 3})))
    assert picture(caught_up(book, NOW + 30), NOW + 30)["history"]["topics"] == {"robots": [-1] * 58 + [0, 3]}


def test_a_late_count_changes_the_history_of_its_minute():
    book = empty_book(at=NOW)
    book.apply(0, change(1, group(NOW - 60, {"total|comments": 7, "topic:robots|comments": 3})))
    before = picture(caught_up(book, NOW + 30), NOW + 30)["history"]
    book.apply(0, change(2, group(NOW - 60, {"total|comments": 1, "topic:robots|comments": 1})))
    after = picture(caught_up(book, NOW + 31), NOW + 31)["history"]
    assert [before["engagement"][-1], before["topics"]["robots"][-1]] == [7, 3]
    assert [after["engagement"][-1], after["topics"]["robots"][-1]] == [8, 4]


def test_minutes_without_a_count_are_zero_once_the_event_has_begun():
    """Totals greater than the last hour's minutes prove that counting began before them."""
    book = Book(1)
    old = loaded([change(1, comments(NOW - 9000, 5))], NOW * 1000)
    book.load(0, replace_containers(old, {"total": old.containers["total"]}), NOW * 1000)
    assert picture(caught_up(book, NOW), NOW)["history"]["engagement"] == [0] * 60


def replace_containers(one: Loaded, containers: dict[str, dict[str, int]]) -> Loaded:
    return Loaded(
        version=one.version, caught_up_ms=one.caught_up_ms, containers=containers, viewers=one.viewers, position=one.position
    )


def test_old_slots_and_minutes_are_forgotten():
    book = empty_book()
    for number in range(400):
        at = NOW + number * 10
        book.apply(0, change(number + 1, comments(at, 1)))
        caught_up(book, at + 10)
    assert len(list(book.slots.starts())) <= 7
    assert len(list(book.minutes.starts())) <= 61


def test_slots_do_not_pile_up_while_as_of_stands_still():
    book = caught_up(empty_book(), NOW)
    for number in range(100):
        book.apply(0, change(number + 1, comments(NOW + number * 10, 1)))
        book.advance((NOW + number * 10) * 1000)
    assert len(list(book.slots.starts())) <= 20
    assert book.totals["total|comments"] == 100


def test_a_window_moved_back_counts_again_what_it_still_has():
    window = Window(10, 6, set())
    window.add(0, NOW, {"f": 3})
    window.move(NOW + 10)
    window.move(NOW)
    assert window.sums == {}
    window.move(NOW + 10)
    assert window.sums == {"f": 3}


# --- viewers, authors, money ------------------------------------------------------------------------------------------


def viewers(livestream: str, count: int, at: int, platform: str = "twitch", country: str = "BR") -> ViewerSample:
    return ViewerSample(livestream, count, at * 1000, (at + 180) * 1000, country, platform)


def told_peaks(at: int, **heads: int) -> Around:
    """As the keeper told them at that time."""
    return Around(parts={"peaks": {"until": iso(at * 1000), "heads": heads}})


def test_what_is_seen_now_is_part_of_the_peak_before_the_keeper_has_looked():
    book = empty_book()
    book.apply(0, change(1, viewers=[viewers("a", 100, NOW), viewers("b", 10, NOW)]))
    assert picture(book, NOW, told_peaks(NOW, total=90))["totals"]["viewers"]["peak"] == 110
    assert picture(book, NOW, told_peaks(NOW, total=120))["totals"]["viewers"]["peak"] == 120


def test_a_peak_that_was_told_long_before_the_server_began_is_unknown_until_it_is_told_again():
    book = empty_book()
    book.apply(0, change(1, viewers=[viewers("a", 100, NOW)]))
    pictures = Picture(CONFIG)
    assert pictures.state(book, NOW * 1000, told_peaks(NOW - 31, total=120))["totals"]["viewers"] == {"now": 100}
    shown = pictures.state(book, (NOW + 2) * 1000, told_peaks(NOW + 2, total=150))["totals"]["viewers"]
    assert shown == {"now": 100, "peak": 150, "peak_day": 100}
    # A keeper that is silent later takes nothing away: that it is silent is told beside it.
    assert pictures.state(book, (NOW + 99) * 1000, told_peaks(NOW + 2, total=150))["totals"]["viewers"]["peak"] == 150


def test_an_expired_sample_is_unknown_and_not_zero():
    book = empty_book()
    book.apply(0, change(1, viewers=[viewers("a", 100, NOW)]))
    assert picture(book, NOW + 179)["totals"]["viewers"]["now"] == 100
    assert "viewers" not in picture(book, NOW + 180)["totals"]


def test_an_older_sample_does_not_replace_a_newer_one():
    book = empty_book()
    book.apply(0, change(1, viewers=[viewers("a", 100, NOW)]))
    book.apply(0, change(2, viewers=[viewers("a", 7, NOW - 30)]))
    assert picture(book, NOW)["countries"]["BR"]["viewers"]["now"] == 100


def test_a_platform_outside_totals_counts_for_itself_only():
    book = empty_book()
    book.apply(0, change(1, viewers=[viewers("a", 100, NOW, "webhook")]))
    state = picture(book, NOW, Around(livestreams={"a": Livestream(state="live", platform="webhook", country="BR")}))
    assert state["platforms"]["webhook"]["viewers"]["now"] == 100
    assert state["platforms"]["webhook"]["livestreams"] == 1
    assert "viewers" not in state["totals"]
    assert state["countries"]["BR"]["livestreams"] == 0


@given(st.dictionaries(st.sampled_from(["USD.2", "USD.6", "EUR.2", "BITS.0"]), st.integers(-(10**17), 10**17), max_size=4))
def test_money_is_exact(found):
    kinds = {f"gift_value.{name}": name for name in found}
    shown = gift_value(found, kinds)
    micro = {
        name: sum(n * 10 ** (6 - int(key[-1])) for key, n in found.items() if key.startswith(name))
        for name in ("USD", "EUR", "BITS")
    }
    for currency, value in shown.items():
        digits = str(value).split(".")
        fraction = (digits[1] if len(digits) > 1 else "").ljust(6, "0")
        assert int(digits[0] + fraction) == micro[currency]
        assert isinstance(value, str) or abs(value) < 2**53


def test_viewer_hours_gifts_authors_and_guesses_are_shown_where_they_are_known():
    book = empty_book()
    book.apply(
        0, change(1, group(NOW, {"country:BR|viewer_seconds": 5400, "country:BR|gifts": 1, "country:BR|gift_value.USD.2": 1250}))
    )
    book.apply(0, change(2, group(NOW, {"country:BR|guessed": 4})))
    around = Around(authors={("country:BR", "event"): 12, ("country:BR", "day"): 7})
    metrics = picture(book, NOW, around)["countries"]["BR"]
    assert metrics["viewers"] == {"hours": 1.5}
    assert metrics["gift_value"] == {"USD": "12.50"}
    assert metrics["authors"] == {"event": 12, "day": 7}
    assert metrics["guessed"] == 4


# --- livestreams ------------------------------------------------------------------------------------------------------


def livestream(state: str, since: str = "2026-10-16T11:00:00Z", country: str = "BR") -> Livestream:
    return Livestream(state=state, platform="twitch", country=country, since=since, handle="someone")


@pytest.mark.parametrize(
    "written", ["2026-10-16T11:00:00Z", "2026-10-16T11:00:00.000123+00:00", "2026-10-16T13:00:00+02:00", 1792148400.0]
)
def test_since_is_written_in_one_way_whoever_wrote_it(written):
    found = {"twitch:a": livestream("waiting", written)}
    assert cells(empty_book(), found, NOW * 1000)["twitch:a"]["since"] == "2026-10-16T11:00:00.000Z"


def test_states_of_livestreams_add_up_and_a_silent_live_one_is_quiet():
    book = empty_book()
    for version, name in enumerate(("loud", "silent")):
        at = NOW - 5 if name == "loud" else NOW - 71
        book.apply(0, change(version + 1, group(at, {f"livestream:{name}|comments": 1})))
    found = {
        "loud": livestream("live"),
        "silent": livestream("live"),
        "never": livestream("live"),
        "new": livestream("live", "2026-10-16T11:59:30Z"),
    }
    found |= {state: livestream(state) for state in ("connecting", "throttled", "refused", "broken", "ended", "paused")}
    state = picture(caught_up(book, NOW), NOW, Around(livestreams=found))
    counts = state["livestreams"]
    expected = {
        "live": 2,
        "quiet": 2,
        "connecting": 1,
        "throttled": 1,
        "refused": 1,
        "broken": 1,
        "ended": 1,
        "paused": 1,
        "total": 10,
    }
    assert counts == expected | {"waiting": 0, "announced": 0, "unreachable": 0}
    assert state["health"]["coverage"] == {"collected": 4, "known_live": 7, "reachable": 10, "consented": 10}
    assert state["countries"]["BR"]["livestreams"] == 4


def test_who_pauses_still_belongs_to_the_event_and_is_not_reachable():
    config = Config(event=Event(name="T", timezone=ZoneInfo("UTC")), platforms={"kick": Platform(name="kick", enabled=False)})

    def row(number, **more):
        usual = {"attendee": "1", "name": "x", "country": "BR", "language": None, "platform": "twitch", "handle": "x"}
        return Channel(id=f"c{number}", **{**usual, "consent": "yes", **more})

    roster = Roster(
        channels=(row(1), row(2, state="paused"), row(3, state="withdrawn"), row(4, platform="kick"), row(5, consent=None))
    )
    live = Livestream(state="live", platform="twitch", at=NOW)
    found = watched(config, roster, {"c1": live, "c2": live, "c3": live, "c4": live, "c5": live}, NOW * 1000)
    assert {name: one.state for name, one in found.items()} == {"c1": "live", "c2": "paused", "c4": "paused"}
    assert [name for name, one in found.items() if one.reachable] == ["c1"]
    assert all(one.reason for name, one in found.items() if name != "c1")


@given(
    st.lists(
        st.tuples(
            st.integers(0, 40),
            st.dictionaries(
                st.sampled_from("abc"), st.tuples(st.sampled_from(["live", "broken", "ended"]), st.integers(0, 60), st.booleans())
            ),
        ),
        max_size=8,
    )
)
def test_what_was_not_said_anew_is_shown_as_if_it_were_looked_at_for_the_first_time(rounds):
    """Silence comes by itself, without anybody saying it."""
    config = Config(event=Event(name="T", timezone=ZoneInfo("UTC")))
    usual = {"attendee": "1", "name": "x", "country": "BR", "language": None, "platform": "twitch", "handle": "x"}
    roster = Roster(channels=tuple(Channel(id=name, **usual, consent="yes") for name in "abc"))
    seen, states, now = {}, {}, NOW
    for pause, said in rounds:
        now += pause
        for name, (state, age, timed) in said.items():
            states[name] = Livestream(state=state, platform="twitch", reason="why", at=now - age if timed else None)
        assert watched(config, roster, states, now * 1000, seen) == watched(config, roster, states, now * 1000)


def test_a_hashtag_that_fails_is_seen_and_one_that_nobody_watches_any_more_is_not():
    config = Config(event=Event(name="T", timezone=ZoneInfo("UTC"), hashtags=("#Good", "#Bad", "#New", "#Lost")))
    states = {
        "bluesky:#good": Livestream(state="live", platform="bluesky", handle="#good", hashtag=True, at=NOW),
        "bluesky:#bad": Livestream(state="refused", platform="bluesky", reason="why", hashtag=True, at=NOW),
        "bluesky:#lost": Livestream(state="live", platform="bluesky", hashtag=True, at=NOW - 60),
        "bluesky:#old": Livestream(state="live", platform="bluesky", hashtag=True, at=NOW),
    }
    found = hashtags(config, states, NOW * 1000)
    assert {name: one["state"] for name, one in found.items()} == {
        "bluesky:#good": "live", "bluesky:#bad": "refused", "bluesky:#new": "connecting", "bluesky:#lost": "broken",
    }  # fmt: skip
    assert found["bluesky:#bad"] == {"platform": "bluesky", "hashtag": "#Bad", "state": "refused", "reason": "why"}


def test_known_live_is_what_discovery_says_and_the_collectors_word_where_nobody_can_be_asked():
    found = {
        "here": msgspec.structs.replace(livestream("live"), known_live=True),
        "offline": msgspec.structs.replace(livestream("waiting"), known_live=False),
        "live but broken": msgspec.structs.replace(livestream("broken"), known_live=True),
        "broken while offline": msgspec.structs.replace(livestream("broken"), known_live=False),
        "no such handle": msgspec.structs.replace(livestream("unreachable"), known_live=False, reachable=False),
        "cannot be asked": livestream("broken"),
    }
    around = Around(livestreams=found, discovery_age_seconds=38, pending=2)
    state = picture(caught_up(empty_book(), NOW), NOW, around)
    assert state["health"]["coverage"] == {
        "collected": 1, "known_live": 3, "reachable": 5, "consented": 6, "discovery_age_seconds": 38, "pending": 2,
    }  # fmt: skip
    assert state["livestreams"]["waiting"] == state["livestreams"]["unreachable"] == 1


@pytest.mark.parametrize(("ago", "quiet"), [(69, False), (70, True)])
def test_quiet_begins_a_minute_after_the_end_of_the_last_slot_with_an_action(ago, quiet):
    book = empty_book()
    slot = (NOW - ago) // 10 * 10
    book.apply(0, change(1, group(slot, {"livestream:a|comments": 1})))
    counts = picture(caught_up(book, slot + ago), slot + ago, Around(livestreams={"a": livestream("live")}))["livestreams"]
    assert (counts["quiet"] == 1) is quiet


def test_a_slow_count_makes_no_livestream_quiet():
    book = empty_book()
    book.apply(0, change(1, group(NOW, {"livestream:a|comments": 1})))
    caught_up(book, NOW + 5)
    assert picture(book, NOW + 900, Around(livestreams={"a": livestream("live")}))["livestreams"]["live"] == 1


def test_a_cell_says_state_reason_and_engagement():
    book = empty_book()
    book.apply(0, change(1, comments(NOW - 600, 3), comments(NOW - 5, 2)))
    found = {"twitch:BR": livestream("live"), "x": Livestream(state="refused", platform="twitch", reason="banned")}
    shown = cells(caught_up(book, NOW), found, NOW * 1000)
    assert shown["twitch:BR"]["engagement"] == {"total": 5, "per_minute": 2}
    assert shown["twitch:BR"]["last_event"] == "2026-10-16T11:59:50.000Z"
    assert shown["x"] == {
        "state": "refused",
        "platform": "twitch",
        "country": "ZZ",
        "reason": "banned",
        "engagement": {"total": 0, "per_minute": 0},
    }


# --- what is configured -----------------------------------------------------------------------------------------------


def test_everything_configured_is_there_from_the_start():
    state = picture(empty_book(), NOW, Around(livestreams={"a": livestream("connecting", country="MX")}))
    assert set(state["topics"]) == {"hybrid", "robots"}
    assert set(state["platforms"]) == {"twitch", "bluesky", "webhook"}
    assert set(state["countries"]) == {"MX", "ZZ"}
    assert set(state["sessions"]) == {"opening", "track"}
    assert state["cross"] == {"country_topic": {}, "country_platform": {}}
    assert state["topics"]["hybrid"] == {"name": {"en": "Hybrid"}, "group": "technology"}
    assert state["event"]["started"] is False


def test_a_pair_shows_total_hour_and_rate_and_leaves_when_it_is_zero():
    book = empty_book()
    book.apply(0, change(1, comments(NOW - 5000, 1, topics=("robots",)), comments(NOW + 5, 2, topics=("robots",))))
    cross = picture(caught_up(book, NOW + 10), NOW + 10)["cross"]
    assert cross["country_topic"] == {"BR": {"robots": {"total": 3, "hour": 0, "per_minute": 2}}}
    assert picture(caught_up(book, NOW + 60), NOW + 60)["cross"]["country_topic"]["BR"]["robots"]["hour"] == 2
    book.apply(0, change(2, comments(NOW + 5, -3, topics=("robots",))))
    assert picture(book, NOW + 60)["cross"]["country_topic"] == {}


def test_a_day_begins_at_day_start_on_the_events_clock():
    event = CONFIG.event
    assert event_day(event, datetime(2026, 10, 16, 19, 59, tzinfo=UTC)).isoformat() == "2026-10-16"
    assert event_day(event, datetime(2026, 10, 16, 20, 0, tzinfo=UTC)).isoformat() == "2026-10-17"


def test_the_day_is_numbered_from_the_first_session_to_the_last():
    later = replace(KICK_OFF, id="closing", start=START + timedelta(days=4), end=START + timedelta(days=4, hours=8))
    config = replace(CONFIG, sessions=(KICK_OFF, later))
    event = picture(empty_book(), NOW + 86400, config=config)["event"]
    assert (event["day"], event["day_number"], event["days"]) == ("2026-10-17", 2, 5)
    assert "day_number" not in picture(empty_book(), NOW + 10 * 86400, config=config)["event"]


def test_a_session_names_the_one_of_the_day_before_that_it_is_compared_with():
    def moved(name, days, hours):
        return replace(
            KICK_OFF,
            id=name,
            start=KICK_OFF.start + timedelta(days=days, hours=hours),
            end=KICK_OFF.end + timedelta(days=days, hours=hours),
        )

    config = replace(CONFIG, sessions=(KICK_OFF, TRACK, moved("second", 1, 1), moved("late", 1, 3), moved("fourth", 3, 0)))
    sessions = picture(empty_book(), NOW, config=config)["sessions"]
    assert {name: one["yesterday"] for name, one in sessions.items() if "yesterday" in one} == {"second": "opening"}


@pytest.mark.parametrize(
    ("after", "now", "following"), [(-1, ["track"], "opening"), (0, ["opening", "track"], None), (120, ["track"], None)]
)
def test_sessions_now_and_next(after, now, following):
    session = picture(empty_book(), NOW + after)["session"]
    assert sorted(session["now"]) == now
    assert session.get("next", {}).get("id") == following


# --- gross and retracted ----------------------------------------------------------------------------------------------


@given(events, st.integers(0, 25))
@settings(max_examples=100, deadline=None)
def test_gross_and_retracted_never_fall_and_differ_by_what_was_added(found, cut):
    """Also over a reload that brings numbers which were never seen as changes, higher or lower."""
    made = commits(found)
    book = Book(3)
    for partition, earlier in enumerate(([change(1, comments(NOW, 1000))], [], [])):
        book.load(partition, loaded(earlier), NOW * 1000)
        book.versions[partition] = 0
    begin = dict(book.totals)
    before: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for number, (partition, one) in enumerate(made):
        if number == cut:
            book.load(partition, loaded([one] * one.version), NOW * 1000)
        book.apply(partition, one)
        assert all(book.gross[field] >= count for field, count in before[0].items())
        assert all(book.retracted[field] >= count for field, count in before[1].items())
        before = (dict(book.gross), dict(book.retracted))
    for field, total in book.totals.items():
        if field.split("|")[0].split(":")[0] in ("total", "country", "topic", "platform", "session"):
            assert book.gross.get(field, 0) - book.retracted.get(field, 0) == total - begin.get(field, 0)


def test_what_was_counted_before_serve_started_is_not_gross():
    book = Book(1)
    book.load(0, loaded([change(1, comments(NOW, 1000))]), NOW * 1000)
    assert book.gross == {}


# --- what is expected, and what is silent -----------------------------------------------------------------------------


def test_each_minute_keeps_the_range_that_was_expected_in_it():
    shown = Picture(CONFIG)
    book = Book(1)
    book.load(0, loaded([change(1, comments(NOW, 6), comments(NOW + 60, 6))]), NOW * 1000)
    for at, high in ((NOW + 60, 9), (NOW + 120, 11)):
        caught_up(book, at)
        part = {"series": {"total": {"low": 4, "high": high}}}
        state = shown.state(book, at * 1000, Around(parts={"expected": part}))
    history = state["history"]
    assert history["expected"]["high"][-2:] == [9, 11]
    assert history["expected"]["low"][:-2] == [-1] * (len(history["engagement"]) - 2)


def test_without_any_range_there_is_no_band():
    book = Book(1)
    book.load(0, loaded([change(1, comments(NOW, 6))]), NOW * 1000)
    history = picture(caught_up(book, NOW + 90), NOW + 90)["history"]
    assert "expected" not in history


def test_a_source_is_stale_when_all_its_collectors_are_silent_and_says_since_when():
    silent = Livestream(state="broken", platform="kick", country="BR", reason="its collector has stopped reporting", at=NOW - 90)
    speaking = Livestream(state="live", platform="twitch", country="BR", at=NOW)
    state = picture(Book(1), NOW, Around(livestreams={"a": silent, "b": speaking}))
    assert state["stale"] == {"platform:kick": f"{START - timedelta(seconds=90):%Y-%m-%dT%H:%M:%S}.000Z"}
    assert [line["id"] for line in state["attention"].values()] == ["silent:kick"]


def test_a_search_that_nobody_makes_is_stale_and_one_that_was_never_made_is_not():
    kept = {"spikes": f"{START - timedelta(seconds=40):%Y-%m-%dT%H:%M:%SZ}", "voices": f"{START:%Y-%m-%dT%H:%M:%SZ}"}
    state = picture(Book(1), NOW, Around(parts={"kept": kept}))
    assert list(state["stale"]) == ["search:spikes"]
    assert "kept" not in state
    assert "stale" not in picture(Book(1), NOW)


def test_topics_of_a_session_that_are_not_known_from_its_start_say_from_when_on():
    """Each partition read its own journal: they are all known from the latest of these times on."""
    book = Book(2)
    for partition, since in enumerate((NOW - 60, NOW - 120)):
        counts = {"total|comments": 5, "topic:hybrid|comments": 2, SINCE: since}
        book.load(partition, loaded([change(1, Group(["session:track"], counts))]), NOW * 1000)
    shown = picture(book, NOW)["sessions"]
    assert shown["track"]["topics_since"] == iso((NOW - 60) * 1000)
    assert shown["track"]["comments"]["total"] == 10
    assert "topics_since" not in shown["opening"]
    book.load(0, loaded([change(1, Group(["session:track"], {"total|comments": 5}))]), NOW * 1000)
    book.load(1, loaded([change(1, Group(["session:track"], {"total|comments": 5}))]), NOW * 1000)
    assert "topics_since" not in picture(book, NOW)["sessions"]["track"]
