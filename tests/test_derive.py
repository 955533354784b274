"""Increments equal the slow recount for any order, lateness, batching, forgetting and change of configuration."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.event import Follow, Gap, Gift, Join, Message, Reaction, Removed, Share, Unknown, as_json
from monitor.derivation import Derivation, Place, decode_derivation
from monitor.derive import Deriver
from monitor.derive_memory import Memory, Originals
from monitor.entry import decode_entry, is_covered
from monitor.recount import Recount, Rules, differences, read_event
from monitor.reschedule import add_minute, changed
from monitor.tagged import Remaking
from monitor.windows import SINCE

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PLATFORMS = ("twitch", "bluesky", "shadow")


def make_config(country: str = "BR", phrase: str = "robot", *, later: int = 0) -> Derivation:
    shift = timedelta(minutes=later)
    places = {
        "a": Place(country, "pt", ["dealer"]),
        "b": Place(None, None, ["guest"] if later else []),
        "c": Place("TH", "th", []),
    }
    return Derivation(
        timezone="Asia/Shanghai",
        day_start=f"20:{5 + later:02d}",  # = 12:05 UTC, inside the times below
        sessions=[
            ("opening", START + timedelta(minutes=1) + shift, START + timedelta(minutes=6) + shift, []),
            ("dealers", START + shift, START + timedelta(minutes=8), ["dealer"]),
            ("guests", START + timedelta(minutes=2), START + timedelta(minutes=9), ["guest"] if later else ["dealer", "guest"]),
        ],
        topics=[("robots", {"*": (phrase,)}, {}, {}), ("hybrid", {"*": ("hybrid",)}, {}, {})],
        cross=[("country", "topic"), ("country", "platform")],
        outside_totals=["shadow"],
        livestreams={f"{platform}:{name}": place for platform in PLATFORMS for name, place in places.items()},
    )


times = st.integers(0, 1200).map(lambda s: START + timedelta(seconds=s / 2)) | st.sampled_from(
    [START - timedelta(days=2), START + timedelta(hours=3)]
)
names = st.sampled_from([f"twitch:{n}" for n in range(8)])
authors = st.sampled_from(["ana", "bo", None])


@st.composite
def events(draw):
    platform = draw(st.sampled_from(PLATFORMS))
    name = draw(st.sampled_from(["a", "b", "c", None]))
    base = {
        "id": draw(names),
        "platform": platform,
        "livestream": f"{platform}:{name}" if name else None,
        "at": draw(times),
        "received_at": START + timedelta(seconds=draw(st.integers(0, 600))),
        "author": draw(authors),
    }
    kind = draw(
        st.sampled_from(
            ["message"] * 6 + ["reaction", "gift", "share", "follow", "join", "gap", "unknown"] + ["removed", "ban", "clear"]
        )
    )
    if kind == "message":
        text = draw(
            st.sampled_from(["robot hybrid", "ROBOT!", "nothing", "สวัสดีครับ", "hybrid #EV #ev", "the #robot #นิทรรศการ is here"])
        )
        return Message(**base, text=text, form=draw(st.sampled_from(["post", "comment"])))
    if kind == "reaction":
        return Reaction(**base, count=draw(st.integers(1, 5)))
    if kind == "gift":
        return Gift(**base, name="bits", count=2, amount_minor=draw(st.integers(0, 9)), currency="BITS")
    if kind in ("share", "follow", "join"):
        return {"share": Share, "follow": Follow, "join": Join}[kind](**base)
    if kind == "gap":
        return Gap(**base, from_=START, to=START + timedelta(seconds=draw(st.integers(0, 90))), reason="x")
    if kind == "unknown":
        return Unknown(**base, name="x")
    base["id"] = "removal:" + draw(st.text("0123456789abcdef", min_size=8, max_size=8))
    if kind == "removed":
        return Removed(**base, target=draw(names))
    until = draw(times)
    return Removed(**base, target_author=draw(authors) if kind == "ban" else None, from_=until - timedelta(minutes=5), to=until)


def first_of_each_id(stream):
    """What ingest lets through."""
    seen = set()
    return [event for event in stream if not (event.id in seen or seen.add(event.id))]


def count_in_batches(batches, derivers, forget):
    """The fast path as count.py drives it: look-ups among what is committed, memory that may be lost at any time."""
    numbers = defaultdict(lambda: defaultdict(int))
    memory, marks, committed = Memory(), [], []
    for version, batch in enumerate(batches):
        deriver = derivers[version]
        if version and derivers[version - 1] is not deriver:
            days = [name.partition(":")[2] for name in numbers if name.startswith("day:")]
            extents = changed(derivers[version - 1].config, deriver.config, days)
            for name, fields in [
                remade(extent, deriver, numbers, committed, marks) if extent.tags else summed(extent, numbers)
                for extent in extents
            ]:
                numbers[name] = defaultdict(int, fields)
        entries = [decode_entry(as_json(event)) for event in batch]
        if forget[version]:
            memory = Memory.of(marks)
        by_id = {entry.id: (entry, then) for entry, then in committed}
        by_ban = {
            e.id: [(o, then) for o, then in committed if is_covered(e, o)]
            for e in entries
            if e.kind == "removed" and e.target is None and e.livestream is not None
        }
        result = deriver.batch(version + 1, entries, memory, Originals(by_id, by_ban))
        # An event that was blocked is in the journal too, but was never counted: the marks keep it from being taken back.
        for group in result.change.groups:
            for container in group.containers:
                for name, units in group.increments.items():
                    numbers[container][name] += units
        marks += result.extras[2]
        committed += [(entry, deriver) for entry in entries]
    return numbers


def summed(extent, numbers):
    """A day or a session of everybody as remake.py drives it."""
    sums = {}
    for start in range(extent.start, extent.end, 60):
        add_minute(sums, numbers.get(f"minute:{start}", {}))
    return extent.container, sums


def remade(extent, deriver, numbers, committed, marks, *, read_from=0):
    """One session with tags as remake.py drives it; the journal may have lost what came before ``read_from``."""
    making = Remaking(extent, deriver)
    for name, fields in numbers.items():
        if name.startswith("minute:"):
            making.minute(int(name.removeprefix("minute:")), fields)
    for entry, then in committed[read_from:]:
        if entry.id not in marks:
            making.entry(entry, then)
    return extent.container, making.fields(numbers.get(extent.container, {}), 77)


def test_a_day_made_anew_from_minutes_has_what_no_minute_rate_has():
    minute = {"total|reactions": 15, "total|earlier.reactions": 585, "total|comments": 2}
    sums = {"total|comments": 1}
    add_minute(sums, minute)
    assert sums == {"total|reactions": 600, "total|comments": 3}


@settings(max_examples=400, deadline=None)
@given(st.lists(events(), max_size=40).map(first_of_each_id), st.data())
def test_increments_equal_the_slow_recount(stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    batches = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    configs = [make_config(), make_config("AR", "hybrid", later=2)]
    changed_at = data.draw(st.integers(0, len(batches)))
    chosen = [configs[0] if version < changed_at else configs[1] for version in range(len(batches))]
    fast = {id(config): Deriver(config) for config in configs}
    slow = {id(config): Rules(config) for config in configs}
    forget = data.draw(st.lists(st.booleans(), min_size=len(batches), max_size=len(batches)))
    numbers = count_in_batches(batches, [fast[id(config)] for config in chosen], forget)
    recount = Recount()
    before = None
    for batch, config in zip(batches, chosen, strict=True):
        if before is not None and config is not before:
            recount.switch(slow[id(before)], slow[id(config)])
        before = config
        for event in batch:
            recount.add(read_event(as_json(event)), slow[id(config)])
    assert differences(numbers, recount.numbers) == []


@settings(max_examples=200, deadline=None)
@given(st.lists(events(), max_size=40).map(first_of_each_id))
def test_countries_and_platforms_add_up_to_the_total_in_every_container(stream):
    deriver = Deriver(make_config())
    numbers = count_in_batches([stream], [deriver], [False])
    for fields in numbers.values():
        kinds = {name.rpartition("|")[2] for name in fields}
        for kind in kinds - {"guessed"}:
            total = fields.get(f"total|{kind}", 0)
            countries = sum(n for f, n in fields.items() if f.startswith("country:") and f.endswith(f"|{kind}"))
            platforms = sum(
                n
                for f, n in fields.items()
                if f.startswith("platform:") and f.endswith(f"|{kind}") and not f.startswith("platform:shadow|")
            )
            assert countries == platforms == total


@settings(max_examples=200, deadline=None)
@given(st.lists(events(), max_size=40).map(first_of_each_id))
def test_a_platform_outside_the_totals_is_nowhere_but_in_its_own_column(stream):
    """Take its events away, and every number but its own and its livestreams' is the same; nor is a country guessed from what it says."""
    deriver = Deriver(make_config())
    stream = [event for event in stream if not isinstance(event, Removed)]  # a ban reaches over platforms of one livestream
    with_it = count_in_batches([stream], [deriver], [False])
    without = count_in_batches([[event for event in stream if event.platform != "shadow"]], [Deriver(make_config())], [False])

    def others(numbers):
        kept = {
            container: {
                name: units
                for name, units in fields.items()
                if units and not name.startswith(("platform:shadow|", "livestream:"))
            }
            for container, fields in numbers.items()
        }
        return {container: fields for container, fields in kept.items() if fields}

    assert others(with_it) == others(without)


def message(name: str, second: int = 0, **more):
    at = START + timedelta(seconds=second)
    return Message(
        **{
            "id": name,
            "platform": "twitch",
            "livestream": "twitch:a",
            "at": at,
            "received_at": at,
            "author": "ana",
            "text": "robot",
            **more,
        }
    )


def removal(target: str, second: int = 1):
    at = START + timedelta(seconds=second)
    return Removed(id=f"r:{target}", platform="twitch", livestream="twitch:a", at=at, received_at=at, target=target)


def test_a_retracted_message_that_comes_again_is_never_counted():
    """Its id may have left the seen window; the mark still keeps it out."""
    deriver = Deriver(make_config())
    for forget in (False, True):
        batches = [[message("m")], [removal("m")], [message("m")]]
        numbers = count_in_batches(batches, [deriver] * 3, [forget] * 3)
        assert numbers["total"]["total|comments"] == 0
        assert numbers["total"]["country+topic:BR+robots|comments"] == 0
        assert numbers["total"]["total|removed"] == 1


def test_a_retraction_that_comes_first_keeps_the_message_out():
    deriver = Deriver(make_config())
    numbers = count_in_batches([[removal("m")], [message("m")]], [deriver] * 2, [True, True])
    assert numbers["total"].get("total|comments", 0) == 0


def test_a_retraction_takes_back_what_was_counted_then_not_what_would_be_counted_now():
    then, now = make_config("BR", "robot"), make_config("AR", "nothing of it")
    numbers = count_in_batches([[message("m")], [removal("m")]], [Deriver(then), Deriver(now)], [False, False])
    assert not any(units for name, units in numbers["total"].items() if not name.endswith("|removed"))


def test_the_derivation_config_survives_its_encoding():
    config = make_config()
    name, data = config.encoded()
    assert decode_derivation(data) == config
    assert decode_derivation(data).encoded() == (name, data)


def test_unique_authors_are_told_once_per_process_and_set_of_windows():
    deriver, memory = Deriver(make_config()), Memory()
    entries = [decode_entry(as_json(message(f"m{n}", n))) for n in range(3)]
    first = deriver.batch(1, entries, memory).authors
    again = deriver.batch(2, [decode_entry(as_json(message("m9", 3)))], memory).authors
    assert first["country:BR", "day:2026-11-19"] == ["ana"]
    assert first["topic:robots", "day:2026-11-19"] == ["ana"]
    assert again == {}


def test_a_session_moved_earlier_counts_what_came_before_it_was_moved():
    before, after = make_config(later=3), make_config()
    numbers = count_in_batches([[message("m", 90)], [message("n", 100)]], [Deriver(before), Deriver(after)], [False, False])
    assert numbers["session:opening"]["total|comments"] == 2


def test_a_recording_with_its_own_old_times_gives_no_latency():
    entries = [decode_entry(as_json(message("m")))]
    journal_ms = int(START.timestamp() * 1000)
    assert Deriver(make_config()).batch(1, entries, Memory(), journal_ms=journal_ms).change.at_samples == [journal_ms]
    assert Deriver(make_config()).batch(1, entries, Memory(), journal_ms=journal_ms + 3_600_000).change.at_samples == []


# --- another schedule ---------------------------------------------------------------------------------------------------


def recounted(stream, config):
    recount, rules = Recount(), Rules(config)
    for event in stream:
        recount.add(read_event(as_json(event)), rules)
    return recount.numbers


@settings(max_examples=100, deadline=None)
@given(st.lists(events(), max_size=40).map(first_of_each_id), st.data())
def test_after_a_change_of_times_tags_and_members_numbers_are_as_if_these_had_always_been_so(stream, data):
    cut = data.draw(st.integers(0, len(stream)))
    then, now = Deriver(make_config()), Deriver(make_config(later=2))
    numbers = count_in_batches([stream[:cut], [], stream[cut:]], [then, now, now], [False, data.draw(st.booleans()), False])
    assert differences(numbers, recounted(stream, now.config)) == []


def moved(later: int, longer: int = 0) -> Derivation:
    """The session of the dealers at other times; nothing else changes."""
    config = make_config()
    sessions = [
        (name, start + timedelta(minutes=later), end + timedelta(minutes=later + longer), tags)
        if name == "dealers"
        else (name, start, end, tags)
        for name, start, end, tags in config.sessions
    ]
    return msgspec.structs.replace(config, sessions=sessions)


def is_of_topics(name: str) -> bool:
    return "topic" in name.partition(":")[0]


@settings(max_examples=100, deadline=None)
@given(st.lists(events(), max_size=30).map(first_of_each_id), st.integers(-8, 8), st.integers(-4, 6), st.integers(0, 30))
def test_what_the_journal_has_lost_is_missing_in_topics_only_and_never_silently(stream, later, longer, lost):
    """The session's numbers are those of a recount; its topics are too, or it says from when on they are of what can be read."""
    then, now = Deriver(make_config()), Deriver(moved(later, longer))
    numbers = count_in_batches([stream], [then], [False])
    memory, entries = Memory(), [decode_entry(as_json(event)) for event in stream]
    then.batch(1, entries, memory)
    extents = changed(then.config, now.config, [])
    assert [extent.container for extent in extents] == (["session:dealers"] if (later, longer) != (0, 0) else [])
    for extent in extents:
        _, fields = remade(extent, now, numbers, [(entry, then) for entry in entries], memory.removed, read_from=lost)
        fresh = {name: units for name, units in recounted(stream, now.config)["session:dealers"].items() if units}
        since = fields.pop(SINCE, None)
        kept = {name: units for name, units in fields.items() if not is_of_topics(name)}
        assert kept == {name: units for name, units in fresh.items() if not is_of_topics(name)}
        if since is None:
            assert fields == fresh
        else:
            assert since == 77
            read = count_in_batches([[event for event in stream[lost:] if event.id not in memory.removed]], [now], [False])
            of_topics = {name: units for name, units in read["session:dealers"].items() if is_of_topics(name) and units}
            assert {name: units for name, units in fields.items() if is_of_topics(name)} == of_topics


def test_a_longer_session_keeps_the_topics_that_the_journal_does_not_know_any_more():
    then, now = Deriver(make_config()), Deriver(moved(0, 3))
    numbers = count_in_batches([[message("m", 60), message("n", 500)]], [then], [False])
    (extent,) = changed(then.config, now.config, [])
    entries = [(decode_entry(as_json(one)), then) for one in (message("m", 60), message("n", 500))]
    _, fields = remade(extent, now, numbers, entries, set(), read_from=1)
    assert (fields["topic:robots|comments"], SINCE in fields) == (2, False)
    _, fields = remade(extent, now, numbers, entries, set(), read_from=2)
    assert (fields["total|comments"], fields.get("topic:robots|comments"), fields[SINCE]) == (2, None, 77)


def test_a_shorter_session_loses_the_topics_of_the_time_that_went_only():
    then, now = Deriver(make_config()), Deriver(moved(0, -4))
    spoken = [message("m", 60), message("n", 300)]
    numbers = count_in_batches([spoken], [then], [False])
    (extent,) = changed(then.config, now.config, [])
    _, fields = remade(extent, now, numbers, [(decode_entry(as_json(one)), then) for one in spoken], set(), read_from=1)
    assert (fields["total|comments"], fields["topic:robots|comments"], SINCE in fields) == (1, 1, False)


def test_a_tag_of_another_name_that_makes_it_the_same_livestreams_changes_nothing_and_loses_no_topic():
    then = make_config()
    (tags,) = (tags for name, _, _, tags in then.sessions if name == "dealers")
    sessions = [(name, start, end, ["new-name"] if name == "dealers" else tags) for name, start, end, tags in then.sessions]
    livestreams = {
        name: msgspec.structs.replace(place, tags=[*place.tags, "new-name"]) if not set(tags).isdisjoint(place.tags) else place
        for name, place in then.livestreams.items()
    }
    assert changed(then, msgspec.structs.replace(then, sessions=sessions, livestreams=livestreams), []) == []
