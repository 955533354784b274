"""Tables of JSON pointers: what they turn documents into, how mistakes in them are told, and that no document breaks them."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.connector import Unreadable, make_pseudonym
from connectors.event import (
    Follow,
    Gift,
    Join,
    Level,
    Message,
    Reaction,
    Removed,
    Share,
    Status,
    Unknown,
    Viewers,
    as_json,
    from_json,
)
from connectors.foreign import decode
from connectors.mapped import BAN_REACH, LONGEST_ID, LONGEST_TEXT, Reading, events_of
from connectors.mapping import FIELDS, KINDS, OUR_OWN, compile_map, pointer
from connectors.markup import words_of
from connectors.money import Money, minor, shown
from connectors.pointed import number_of, text_of
from connectors.times import moment

NOW = datetime(2026, 10, 16, 12, 0, 0, 250_000, tzinfo=UTC)
PSEUDONYM = make_pseudonym(b"key of these tests")


def reading(**changes):
    return Reading(**{"platform": "partner", "now": NOW, "pseudonym": PSEUDONYM, **changes})


def read(table, document, **changes):
    return events_of(compile_map(table), document, reading(**changes))


def one(table, document, **changes):
    [event] = read(table, document, **changes)
    return event


CHAT = {"id": "/id", "text": "/text"}

# --- fields -----------------------------------------------------------------------------------------------------------


def test_our_own_shape_gives_a_whole_message():
    document = {
        "type": "comment",
        "id": "c1",
        "at": "2026-10-16T11:59:58Z",
        "channel": "ana",
        "broadcast": "b7",
        "author": {"id": 77, "name": "João"},
        "text": "Olá 奇瑞",
        "language": "pt",
        "reply_to": "c0",
        "url": "https://example.org/c1",
    }
    assert one(OUR_OWN, document, livestreams={"ana": "partner:ana"}) == Message(
        id="partner:c1",
        platform="partner",
        livestream="partner:ana",
        broadcast="b7",
        at=NOW.replace(second=58, minute=59, hour=11, microsecond=0),
        received_at=NOW,
        author=PSEUDONYM("partner", "77"),
        author_name="João",
        text="Olá 奇瑞",
        form="comment",
        language="pt",
        reply_to="partner:c0",
        url="https://example.org/c1",
    )


@pytest.mark.parametrize(
    ("kind", "more", "expected", "values"),
    [
        ("message", {"text": "x"}, Message, {"form": "comment"}),
        ("post", {"text": "x"}, Message, {"form": "post"}),
        ("reaction", {"reaction": "heart", "count": "3"}, Reaction, {"reaction": "heart", "count": 3}),
        ("reaction", {}, Reaction, {"reaction": "like", "count": 1}),
        ("share", {}, Share, {"count": 1}),
        ("follow", {"count": 2.0}, Follow, {"count": 2}),
        ("join", {"count": 0}, Join, {"count": 1}),
        ("viewers", {"value": "1,234"}, Viewers, {"viewers": 1234}),
        ("level:reactions", {"value": "1.2K"}, Level, {"what": "reactions", "value": 1200}),
        ("level:gifts", {"value": 0}, Level, {"what": "gifts", "value": 0}),
        ("live", {"reason": "began"}, Status, {"state": "live", "reason": "began"}),
        ("ended", {}, Status, {"state": "ended"}),
        ("gift", {"name": "rose", "count": 3}, Gift, {"name": "rose", "count": 3, "amount_minor": 0, "currency": None}),
        ("gift", {"amount": 5, "currency": "usd"}, Gift, {"name": "gift", "amount_minor": 500, "exponent": 2, "currency": "USD"}),
        ("gift", {"amount": "1,500", "currency": "JPY"}, Gift, {"amount_minor": 1500, "exponent": 0, "currency": "JPY"}),
        ("something new", {}, Unknown, {"name": "something new"}),
    ],
)
def test_each_kind_of_our_own_shape(kind, more, expected, values):
    event = one(OUR_OWN, {"type": kind, "id": "1", **more})
    assert type(event) is expected
    assert {name: getattr(event, name) for name in values} == values


def test_every_kind_can_be_made():
    """Nothing stands in the list that no code answers to."""
    for kind in KINDS:
        events = read(OUR_OWN, {"type": kind, "id": "1", "text": "x", "value": 1, "target": "2"})
        assert len(events) == (0 if kind == "skip" else 1)
        assert not any(isinstance(event, Unknown) for event in events)


def test_the_first_pointer_that_finds_something_counts():
    table = {"id": ["/meta/id", "/id"], "text": ["/a", "/b", "/c/0"]}
    event = one(table, {"id": 7, "meta": {"id": ""}, "a": None, "b": "", "c": ["words"]})
    assert (event.id, event.text) == ("partner:7", "words")


def test_a_constant_stands_where_nothing_is_found():
    table = {**CHAT, "language": "/lang", "const": {"language": "th", "channel": "main"}}
    event = one(table, {"id": 1, "text": "x"})
    assert (event.language, event.livestream) == ("th", "partner:main")
    assert one(table, {"id": 1, "text": "x", "lang": "vi"}).language == "vi"


def test_pointers_reach_into_the_document_and_around_it():
    table = {**CHAT, "items": "/data", "channel": "@/header/x-roomid", "broadcast": "^/live", "author": "/a~1b/c~0d"}
    document = {"live": "b1", "data": [{"id": 1, "text": "x", "a/b": {"c~d": "u"}}]}
    event = one(table, document, around={"header": {"x-roomid": "268"}})
    assert (event.livestream, event.broadcast, event.author) == ("partner:268", "b1", PSEUDONYM("partner", "u"))


def test_json_in_a_string_is_opened_and_a_bare_id_stays_what_it_is():
    table = {
        "inner_json": "/payload",
        "kind": "/event",
        "type_map": {"update": "post", "delete": {"as": "removed", "target": "/payload"}},
        "id": "/payload/uri",
        "text": "/payload/content",
        "html": True,
    }
    payload = '{"uri":"https://a.example/1","content":"<p>Hi <b>Ana</b></p>"}'
    assert one(table, {"event": "update", "payload": payload}).text == "Hi Ana"
    removed = one(table, {"event": "delete", "payload": "106692867363994015"})
    assert removed.target == "partner:106692867363994015"


def test_an_item_of_a_list_that_cannot_be_read_does_not_take_the_others_with_it():
    first, second, third = read(CHAT, [{"id": 1, "text": "a"}, {"id": 2}, {"id": 3, "text": 5.5}])
    assert {first.text, second.text} == {"a", "5.5"}
    assert third.name == "unreadable missing_text"


def test_a_list_of_nothing_readable_is_unreadable():
    with pytest.raises(Unreadable, match="missing_text"):
        read(CHAT, [{"id": 1}, {"id": 2}])


def test_items_may_be_one_object_or_none():
    table = {**CHAT, "items": "/data"}
    assert [event.text for event in read(table, {"data": {"id": 1, "text": "x"}})] == ["x"]
    assert read(table, {"data": []}) == read(table, {"other": 1}) == []


# --- kinds ------------------------------------------------------------------------------------------------------------


def test_one_document_may_be_several_events_and_what_is_missing_is_left_out():
    table = {
        "kind": "/event",
        "type_map": {"": ["message", {"as": "gift", "display": "/hasDonation"}]},
        "id": "/id",
        "text": "/text",
    }
    both = read(table, {"event": False, "id": 1, "text": "thanks", "hasDonation": "500 bits"})
    assert [type(event) for event in both] == [Message, Gift]
    assert [event.id for event in both] == ["partner:1", "partner:1:gift"]
    assert (both[1].name, both[1].amount_minor, both[1].currency) == ("500 bits", 500, "BITS")
    assert [type(event) for event in read(table, {"id": 1, "text": "only words", "hasDonation": ""})] == [Message]
    assert [type(event) for event in read(table, {"id": 1, "hasDonation": "3 roses"})] == [Gift]
    with pytest.raises(Unreadable):
        read(table, {"id": 1})


def test_test_traffic_is_skipped_and_one_is_not_true():
    table = {**CHAT, "skip_if": {"/test": True, "/user/role": ["bot", "system"]}}
    assert read(table, {"id": 1, "text": "x", "test": True}) == []
    assert read(table, {"id": 1, "text": "x", "user": {"role": "bot"}}) == []
    assert len(read(table, {"id": 1, "text": "x", "test": 1, "user": {"role": "user"}})) == 1


def test_a_star_stands_for_every_other_kind():
    table = {**CHAT, "kind": "/type", "type_map": {"chat": "message", "*": "skip"}}
    assert read(table, {"type": "ping", "id": 1}) == []
    assert len(read(table, {"type": "chat", "id": 1, "text": "x"})) == 1


def test_a_removal_meets_its_message_and_has_an_id_of_its_own():
    table = {"kind": "/t", "type_map": {"c": "message", "d": {"as": "removed", "target": "/ids"}}, "id": "/id", "text": "/text"}
    message = one(table, {"t": "c", "id": "m1", "text": "x"})
    removals = read(table, {"t": "d", "id": "m1", "ids": ["m1", 2]})
    assert [removed.target for removed in removals] == [message.id, "partner:2"]
    assert message.id not in {removed.id for removed in removals}
    assert one(table, {"t": "d", "id": "other", "ids": ["m1"]}).id == removals[0].id, "told twice, taken back once"


def test_a_removal_of_nothing_is_unreadable():
    with pytest.raises(Unreadable, match="missing_target"):
        read({"kind": "/t", "target": "/x"}, {"t": "removed"})


def test_a_ban_takes_back_what_the_author_wrote_before():
    table = {"kind": "/t", "type_map": {"ban": {"as": "removed", "target_author": "/user"}}, "at": "/at"}
    at = NOW - timedelta(seconds=3)
    banned = one(table, {"t": "ban", "user": "u1", "at": at.timestamp()})
    assert isinstance(banned, Removed)
    assert (banned.target, banned.target_author) == (None, PSEUDONYM("partner", "u1"))
    assert (banned.from_, banned.to) == (at - BAN_REACH, at)


# --- whose it is ------------------------------------------------------------------------------------------------------


def test_a_channel_that_is_not_in_the_roster_is_not_read():
    """Who did not agree must not be read; that something came is said once for each channel."""
    table = {**CHAT, "channel": "/room"}
    strangers = [one(table, {"id": n, "text": "secret words", "room": "eve"}, livestreams={"ana": "p:ana"}) for n in range(3)]
    assert {type(event) for event in strangers} == {Unknown}
    assert len({event.id for event in strangers}) == 1
    assert b"secret" not in as_json(strangers[0])
    assert one(table, {"id": 1, "text": "x", "room": "ANA"}, livestreams={"ana": "p:ana"}).livestream == "p:ana"


def test_on_a_connection_of_one_channel_all_is_its():
    table = {**CHAT, "channel": "/room"}
    assert one(table, {"id": 1, "text": "x", "room": "eve"}, livestream="p:ana", livestreams={}).livestream == "p:ana"


def test_without_a_channel_it_belongs_to_no_livestream():
    assert one(CHAT, {"id": 1, "text": "x"}, livestreams={"ana": "p:ana"}).livestream is None


def test_a_scope_tells_sites_apart_by_id_and_author():
    table = {**CHAT, "scope": "/site", "author": "/user"}
    twitch, kick = (one(table, {"site": site, "id": 1, "user": "ana", "text": "x"}) for site in ("twitch", "kick"))
    assert (twitch.id, kick.id) == ("partner:twitch:1", "partner:kick:1")
    assert twitch.author != kick.author


def test_an_author_without_an_id_is_known_by_the_name():
    table = {**CHAT, "author": "/uid", "author_name": "/nick"}
    named = one(table, {"id": 1, "text": "x", "nick": "Ana"})
    assert named.author == PSEUDONYM("partner", "name:Ana")
    assert one(table, {"id": 1, "text": "x"}).author is None


# --- ids --------------------------------------------------------------------------------------------------------------


def test_ids_may_be_numbers_and_long_ones_stay_different():
    assert one(CHAT, {"id": 12345678901234567, "text": "x"}).id == "partner:12345678901234567"
    long = [one(CHAT, {"id": "x" * 5000 + end, "text": "x"}).id for end in "ab"]
    assert long[0] != long[1]
    assert max(map(len, long)) <= LONGEST_ID + len("partner:")


def test_without_an_id_the_content_is_it_when_it_carries_a_time():
    table = {"text": "/text", "at": "/at"}
    document = {"text": "hi", "at": 1792152000}
    later = {"now": NOW + timedelta(hours=1)}
    assert one(table, document).id == one(table, document, **later).id
    assert one(table, document).id != one(table, {**document, "at": 1792152001}).id


def test_without_an_id_and_a_time_the_same_words_are_the_same_only_for_a_while():
    table = {"text": "/text"}
    ids = [one(table, {"text": "hi"}, now=NOW.replace(second=second)).id for second in (0, 4, 5)]
    assert ids[0] == ids[1] != ids[2]
    forever = {**table, "same_within_seconds": 0}
    assert one(forever, {"text": "hi"}).id == one(forever, {"text": "hi"}, now=NOW + timedelta(days=1)).id


def test_a_digest_names_what_makes_two_documents_the_same():
    table = {"text": "/text", "digest": ["/text"], "same_within_seconds": 0}
    assert one(table, {"text": "hi", "seq": 1}).id == one(table, {"text": "hi", "seq": 2}).id
    assert one(table, {"text": "hi"}).id != one(table, {"text": "ho"}).id


def test_a_gauge_stated_again_is_a_sample_again():
    table = {"kind": "/t", "value": "/n"}
    first, second = (one(table, {"t": "viewers", "n": 5}, now=NOW + timedelta(seconds=s)).id for s in (0, 1))
    assert first != second


def test_the_delivery_is_the_id_of_items_without_one():
    two = read({"text": "/text"}, [{"text": "a"}, {"text": "a"}], native="msg_1")
    assert len({event.id for event in two}) == 2
    assert two == read({"text": "/text"}, [{"text": "a"}, {"text": "a"}], native="msg_1")
    assert two[0].id != read({"text": "/text"}, [{"text": "b"}], native="msg_1")[0].id, "numbers may start anew"


def test_the_same_id_twice_in_one_document_is_one_event():
    assert len(read(CHAT, [{"id": 1, "text": "a"}, {"id": 1, "text": "a"}])) == 1


# --- values -----------------------------------------------------------------------------------------------------------

AT = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        1792152000,
        1792152000.0,
        "1792152000",
        1792152000000,
        "1792152000000",
        1792152000000000,
        1792152000000000000,
        "2026-10-16T12:00:00Z",
        "2026-10-16T12:00:00",
        "2026-10-16 12:00:00+00:00",
        "2026-10-16T20:00:00.000000000+08:00",
        "Fri, 16 Oct 2026 12:00:00 GMT",
        "Fri, 16 Oct 2026 14:00:00 +0200",
    ],
)
def test_times_of_many_forms(written):
    assert moment(written) == AT


@pytest.mark.parametrize(
    "value", [None, True, "", "soon", 0, 12, -5, 1e300, float("nan"), "0001-01-01T00:00:00+14:00", [], {}, "9" * 21, "12:30"]
)
def test_what_is_no_time_is_the_time_of_receipt(value):
    assert moment(value) is None
    assert one({**CHAT, "at": "/at"}, {"id": 1, "text": "x", "at": value}).at == NOW


def test_milliseconds_keep_their_decimals():
    assert moment("1792152000.123456") == AT + timedelta(microseconds=123456)
    assert moment(1792152000123) == AT + timedelta(milliseconds=123)
    assert moment("2026-10-16T12:00:00.5Z") == AT + timedelta(milliseconds=500)


@given(st.integers(10**8, 10**11 - 1), st.sampled_from((1, 10**3, 10**6, 10**9)))
def test_the_unit_of_a_time_is_told_by_its_size(seconds, unit):
    if seconds * unit >= {1: 10**11, 10**3: 10**14, 10**6: 10**17, 10**9: 10**20}[unit] or seconds < 10**8:
        return
    assert moment(seconds * unit) == moment(str(seconds * unit)) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("plain", "plain"),
        ("<p>Hello <b>world</b></p>", "Hello world"),
        ("a<br>b<br/>c", "a b c"),
        ("<p>one</p><p>two</p>", "one two"),
        ('<img class="emote" alt="Kappa" src="x"> hi', "Kappa hi"),
        ("<img src=x onerror=alert(1)>", ""),
        ("1 &lt; 2 &amp; 3 &#x1F44B;", "1 < 2 & 3 👋"),
        ("<script>alert(1)</script>after", "after"),
        ("<!-- hidden -->shown", "shown"),
        ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
        ("i <3 you", "i <3 you"),
        ("", ""),
        ("<![endif", "<![endif"),
        ("&lt;b&gt;", "<b>"),
    ],
)
def test_markup_becomes_its_words(markup, words):
    assert words_of(markup) == words


@given(st.text(alphabet="<>/\"'=&;! abimgscript-", max_size=200))
def test_no_markup_breaks_it(markup):
    assert len(words_of(markup)) <= len(markup)


@pytest.mark.parametrize("piece", ["<a ", '<a b="', "<!--", "<script ", "<script>", "&", "<img alt='"])
def test_markup_of_nothing_but_beginnings_is_read_in_one_go(piece):
    """A pattern that begins anew at each of them would take minutes for this; the limit is the whole suite's patience."""
    words_of(piece * (200_000 // len(piece)))


@pytest.mark.parametrize(
    ("text", "count", "money"),
    [
        ("$5.00", 1, Money(500, 2, "USD")),
        ("€5,00", 1, Money(500, 2, "EUR")),
        ("R$ 10,00", 1, Money(1000, 2, "BRL")),
        ("CA$1,000.50", 1, Money(100050, 2, "CAD")),
        ("1.234,5 EUR", 1, Money(123450, 2, "EUR")),
        ("5.00 USD", 1, Money(500, 2, "USD")),
        ("¥1,000", 1, Money(1000, 0, "JPY")),
        ("₩10,000", 1, Money(10000, 0, "KRW")),
        ("500 bits", 1, Money(500, 0, "BITS")),
        ("1,500 Diamonds!", 1, Money(1500, 0, "DIAMONDS")),
        ("3 roses", 3, None),
        ("rose", 1, None),
        ("0 roses", 1, None),
        ("5.00", 1, None),
        ("x" * 500 + "$5", 1, None),
    ],
)
def test_what_is_shown_to_people_is_read_leniently(text, count, money):
    assert shown(text) == (count, money)


@given(st.text(max_size=60))
def test_no_display_text_breaks_it(text):
    read = shown(text)
    assert read.units >= 1
    assert read.money is None or 0 <= read.money.amount_minor < 2**63


@given(st.integers(0, 10**9), st.sampled_from(("USD", "JPY", "KWD", "BITS")))
def test_whole_amounts_are_exact(units, currency):
    digits = {"USD": 2, "JPY": 0, "KWD": 3, "BITS": 0}[currency]
    assert minor(units, currency) == minor(str(units), currency) == Money(units * 10**digits, digits, currency)


@pytest.mark.parametrize("value", [None, True, "", "x", -1, "-5", float("inf"), float("nan"), 1e30, [], "1" * 70])
def test_what_is_no_amount_has_no_value(value):
    assert minor(value, "USD") is None
    gift = one(
        {"kind": "/t", "id": "/id", "amount": "/amount", "const": {"currency": "USD"}}, {"t": "gift", "id": 1, "amount": value}
    )
    assert (gift.amount_minor, gift.currency) == (0, None)


def test_an_amount_in_smallest_units_is_taken_as_it_is():
    table = {"kind": "/t", "id": "/id", "amount_minor": "/fen", "const": {"currency": "CNY"}}
    gift = one(table, {"t": "gift", "id": 1, "fen": 10000})
    assert (gift.amount_minor, gift.exponent, gift.currency) == (10000, 2, "CNY")


@pytest.mark.parametrize(("value", "number"), [(5, 5), (5.4, 5), ("7", 7), ("1.2k", 1200), ("2M", 2_000_000), (0, 0)])
def test_numbers_of_many_forms(value, number):
    assert number_of(value) == number


@pytest.mark.parametrize("value", [None, True, -1, "", "k", "many", float("nan"), float("inf"), 1e17, [], "nan"])
def test_what_is_no_number(value):
    assert number_of(value) is None
    with pytest.raises(Unreadable, match="missing_value"):
        read({"kind": "/t", "value": "/n"}, {"t": "viewers", "n": value})


def test_texts_are_cut_and_only_web_addresses_are_kept():
    event = one({**CHAT, "url": "/url"}, {"id": 1, "text": "x" * 30_000, "url": "javascript:alert(1)"})
    assert len(event.text) == LONGEST_TEXT
    assert event.url is None


# --- tables that are wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"txt": "/text"}, 'map: unknown "txt"; did you mean "text"?'),
        ({"text": "text"}, 'map text: expected a JSON pointer such as "/user/name", found "text"'),
        ({"text": 5}, "map text: expected a JSON pointer"),
        ({"text": ["/a", 5]}, "map text: expected a JSON pointer"),
        ({"type_map": {"x": "mesage"}}, 'map type_map \'x\': unknown "mesage"; did you mean "message"?'),
        ({"type_map": {"x": {"text": "/t"}}}, "map type_map 'x' as: unknown"),
        ({"type_map": {"x": {"as": "message", "tex": "/t"}}}, 'did you mean "text"?'),
        ({"type_map": {"x": 5}}, "map type_map 'x': expected a table"),
        ({"type_map": "message"}, "map type_map: expected a table"),
        ({"const": {"languag": "x"}}, 'map const: unknown "languag"'),
        ({"skip_if": {"test": True}}, "map skip_if: expected a JSON pointer"),
        ({"same_within_seconds": "5"}, "map same_within_seconds: expected a number"),
        ({"html": "yes"}, "map html: expected true or false"),
    ],
)
def test_a_mistake_in_a_table_is_one_sentence(table, says):
    with pytest.raises(ValueError) as mistake:
        compile_map(table)
    assert says in str(mistake.value)


def test_a_pointer_may_be_the_whole_item():
    assert pointer("") == ("", ())
    assert one({"text": ""}, "just words").text == "just words"


# --- whatever comes ---------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(("1792152000", "message", "gift", "$5", "1.5k", '{"text":"x"}')),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.sampled_from([*FIELDS, "type", "data"]), children, max_size=6),
    max_leaves=15,
)  # fmt: skip
GREEDY = {
    **{name: [f"/{name}", f"/data/{name}", f"@/{name}"] for name in FIELDS},
    "items": "/data",
    "inner_json": "/text",
    "html": True,
    "skip_if": {"/name": 0},
    "plain_if": {"/count": True},
}


@given(document=JSON, around=JSON, kind=st.sampled_from(KINDS), native=st.none() | st.text(min_size=1, max_size=5))
def test_a_mapping_never_raises_anything_but_unreadable(document, around, kind, native):
    plan = compile_map({**GREEDY, "type_map": {"": kind, "*": [kind, "message", "gift"]}})
    with contextlib.suppress(Unreadable):
        sound(events_of(plan, document, reading(around={"x": around}, native=native)))


def sound(events):
    assert len({event.id for event in events}) == len(events)
    for event in events:
        assert from_json(as_json(event)) == event
        assert event.id.startswith("partner:")


def test_a_document_too_deep_to_write_again_is_unreadable():
    deep = decode(b'{"text":"x","a":' + b"[" * 500 + b"]" * 500 + b"}")
    with pytest.raises(Unreadable, match="too_deep"):
        read({"text": "/text"}, deep)


@given(st.binary(max_size=50))
def test_bytes_are_json_or_unreadable(raw):
    with contextlib.suppress(Unreadable):
        decode(raw)


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), (5.0, "5"), ("a", "a"), ("  ", None), (True, None), (None, None), ([], None)]
)
def test_texts_of_many_forms(value, text):
    assert text_of(value) == text
