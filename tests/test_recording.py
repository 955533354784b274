"""Recordings: every format gives its messages once, with the file's own ids and times; what cannot be read never stops the rest."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.connector import make_pseudonym
from connectors.event import Gift, Message, Removed, Share, Unknown, as_json
from connectors.recording import FORMATS, NotARecording, count, read, recording
from connectors.recording.entry import money

CAPTURES = Path(__file__).parent / "captures" / "recording"
PSEUDONYM = make_pseudonym(b"test key")
START = datetime(2026, 10, 17, 12, 0, tzinfo=UTC)
FILES = {
    "vod.json": "vod",
    "rechat.json": "rechat",
    "youtube.live_chat.json": "youtube",
    "danmaku.xml": "bilibili",
    "chat-downloader.json": "items",
    "chat-downloader.jsonl": "item lines",
    "events.ndjson": "events",
}


def entries(name, livestream=None):
    return list(recording(CAPTURES / name, livestream).entries(PSEUDONYM))


def events(name, kind, livestream=None):
    return [entry.event for entry in entries(name, livestream) if isinstance(entry.event, kind)]


def unix(seconds):
    return datetime.fromtimestamp(seconds, UTC)


# --- telling formats apart --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), FILES.items())
def test_the_format_is_told_from_the_content_not_the_name(name, kind, tmp_path):
    shutil.copy(CAPTURES / name, tmp_path / "x.bin")
    assert recording(tmp_path / "x.bin").format == kind


def test_every_format_has_a_sample():
    assert set(FILES.values()) == set(FORMATS)
    assert {path.name for path in CAPTURES.iterdir()} == set(FILES)


@pytest.mark.parametrize("name", ["vod.json", "rechat.json", "chat-downloader.json"])
def test_a_document_may_be_spread_over_lines_or_have_a_byte_order_mark(name, tmp_path):
    value = json.loads((CAPTURES / name).read_bytes())
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf\n" + json.dumps(value, indent=2).encode())
    (tmp_path / "b").write_text(json.dumps(value))
    assert recording(tmp_path / "a").format == recording(tmp_path / "b").format == FILES[name]
    ids = [event.id for event in read(CAPTURES / name, PSEUDONYM, "l")]
    assert [event.id for event in read(tmp_path / "a", PSEUDONYM, "l")] == ids
    assert len(ids) > 2


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"{}", b"[]", b"[1,2]", b"<html></html>", b'{"comments":5}', b'{"a":1}\n{"a":2}', b"\xff\xfe{", b"["],
)
def test_what_is_no_recording_is_refused_with_a_sentence_that_names_what_was_tried(content, tmp_path):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(
        NotARecording, match=r"x\.json is not a recording that can be replayed; tried TwitchDownloader JSON, .*our own"
    ):
        recording(tmp_path / "x.json")


def test_a_file_that_was_cut_off_is_named(tmp_path):
    (tmp_path / "x.xml").write_bytes((CAPTURES / "danmaku.xml").read_bytes()[:-30])
    with pytest.raises(NotARecording, match="no well-formed XML; save it again"):
        count(tmp_path / "x.xml")


def test_entities_in_xml_are_not_expanded(tmp_path):
    (tmp_path / "x.xml").write_text('<!DOCTYPE i [<!ENTITY a "boom">]><i><d p="1,1,1,1,1,0,u,1">&a;</d></i>')
    with pytest.raises(NotARecording):
        count(tmp_path / "x.xml")


@given(name=st.sampled_from(sorted(FILES)), data=st.data())
def test_damaged_files_are_read_or_refused(name, data, tmp_path_factory):
    raw = bytearray((CAPTURES / name).read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        found = list(read(path, PSEUDONYM))
    except NotARecording:
        return
    for event in found:
        assert event.received_at == event.at or event.platform == "twitch"
        as_json(event)


# --- what all formats promise -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("vod.json", 4),
        ("rechat.json", 3),
        ("youtube.live_chat.json", 3),
        ("danmaku.xml", 4),
        ("chat-downloader.json", 2),
        ("chat-downloader.jsonl", 2),
        ("events.ndjson", 1),
    ],
)
def test_every_message_of_the_file_is_counted_once(name, messages):
    assert count(CAPTURES / name) == messages


@pytest.mark.parametrize("name", FILES)
def test_ids_are_unique_and_the_same_whenever_the_file_is_read(name):
    first, second = ([event.id for event in read(CAPTURES / name, PSEUDONYM)] for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first) > 2


@pytest.mark.parametrize("name", sorted(set(FILES) - {"events.ndjson"}))
def test_authors_are_pseudonyms_and_livestream_is_as_said(name):
    for event in read(CAPTURES / name, PSEUDONYM, "cn-7"):
        assert event.livestream == "cn-7"
        assert event.author is None or len(event.author) == 32
        assert event.id.startswith(f"{event.platform}:")


def test_without_a_livestream_the_file_is_one():
    assert {event.livestream for event in read(CAPTURES / "vod.json", PSEUDONYM)} == {"recording:vod"}


@pytest.mark.parametrize("name", ["vod.json", "rechat.json", "danmaku.xml"])
def test_documents_come_in_the_order_of_the_video(name):
    offsets = [entry.offset for entry in entries(name) if not isinstance(entry.event, Unknown)]
    assert offsets == sorted(offsets)


# --- format by format -------------------------------------------------------------------------------------------------


def test_a_twitch_comment_has_the_ids_of_live_chat():
    first = entries("vod.json", "twitch:ana")[0]
    assert first.offset == 1.0
    assert first.event == Message(
        id="twitch:c-1",
        platform="twitch",
        livestream="twitch:ana",
        at=START.replace(second=1),
        received_at=START.replace(second=1),
        author=PSEUDONYM("twitch", "2001"),
        author_name="王丽",
        text="你好",
    )


def test_bits_subscriptions_and_raids_stand_beside_their_message():
    gifts = events("vod.json", Gift)
    assert [(gift.id, gift.name, gift.amount_minor, gift.currency) for gift in gifts] == [
        ("twitch:c-2:bits", "bits", 100, "BITS"),
        ("twitch:c-3:resub", "resub", 0, None),
    ]
    assert gifts[0].at == START.replace(second=9, microsecond=500000)
    assert [share.id for share in events("vod.json", Share)] == ["twitch:c-4:raid"]


def test_a_comment_that_cannot_be_read_is_counted_as_unknown():
    assert [event.name for event in events("vod.json", Unknown)] == ["unreadable wrong_time"]


def test_the_same_words_twice_without_an_id_are_two_messages():
    said = [event for event in events("rechat.json", Message) if event.text == "twice said"]
    assert len(said) == len({event.id for event in said}) == 2


def test_youtube_text_has_emoji_and_names_of_custom_ones():
    [first, *_] = events("youtube.live_chat.json", Message)
    assert (first.id, first.text, first.author_name) == ("youtube:y1", "que carro 🚗:_wow:", "Ana")
    assert (first.at, first.author) == (unix(1792240200), PSEUDONYM("youtube", "UC001"))


def test_youtube_gifts_have_their_value_and_tickers_do_not_double_them():
    assert [
        (gift.id, gift.name, gift.count, gift.amount_minor, gift.exponent, gift.currency)
        for gift in events("youtube.live_chat.json", Gift)
    ] == [
        ("youtube:y2:superchat", "superchat", 1, 100050, 2, "CAD"),
        ("youtube:y3:superchat", "superchat", 1, 500, 0, "JPY"),
        ("youtube:y4:supersticker", "supersticker", 1, 499, 2, "EUR"),
        ("youtube:y5:membership", "membership", 1, 0, 0, None),
        ("youtube:y7:membership_gift", "membership_gift", 20, 0, 0, None),
    ]
    assert [event.text for event in events("youtube.live_chat.json", Message)][1:] == ["for the team", "half a year"]


def test_youtube_deletions_take_back_a_message_or_an_author():
    one, author = events("youtube.live_chat.json", Removed)
    assert (one.target, one.target_author) == ("youtube:y1", None)
    assert (author.target, author.target_author) == (None, PSEUDONYM("youtube", "UC002"))
    assert (author.from_, author.to) == (unix(1792240200), unix(1792240210))


def test_an_unheard_of_renderer_is_named():
    assert [event.name for event in events("youtube.live_chat.json", Unknown)] == ["liveChatHologramRenderer"]


def test_danmaku_stand_at_their_place_in_the_video_with_the_time_of_posting():
    found = [entry for entry in entries("danmaku.xml") if isinstance(entry.event, Message)]
    assert [(entry.offset, entry.event.text) for entry in found] == [
        (1.25, "前面 <3 "),
        (2.0, "old"),
        (2.0, "old"),
        (7.5, "后面"),
    ]
    assert (found[0].event.id, found[0].event.at) == ("bilibili:7002", unix(1792326600))
    assert found[1].event.id != found[2].event.id


def test_chat_downloader_tells_youtube_from_twitch_and_keeps_money():
    assert {event.platform for event in read(CAPTURES / "chat-downloader.json", PSEUDONYM)} == {"youtube"}
    assert {event.platform for event in read(CAPTURES / "chat-downloader.jsonl", PSEUDONYM)} == {"twitch"}
    assert [(gift.id, gift.amount_minor, gift.exponent, gift.currency) for gift in events("chat-downloader.json", Gift)] == [
        ("youtube:d2:superchat", 500, 2, "BRL"),
        ("youtube:d3:supersticker", 300, 0, "JPY"),
    ]
    assert [removed.target for removed in events("chat-downloader.json", Removed)] == ["youtube:d1"]
    assert [(gift.id, gift.amount_minor) for gift in events("chat-downloader.jsonl", Gift)] == [("twitch:t1:bits", 50)]


def test_chat_downloader_without_any_time_is_unreadable():
    assert [event.name for event in events("chat-downloader.jsonl", Unknown)] == ["unreadable missing_time"]


def test_our_own_events_stay_as_they_are_unless_somebody_says_whose_they_are():
    assert [event.livestream for event in read(CAPTURES / "events.ndjson", PSEUDONYM)][:3] == [
        "twitch:ana",
        "twitch:bo",
        "twitch:ana",
    ]
    assert [event.livestream for event in read(CAPTURES / "events.ndjson", PSEUDONYM, "x")][:3] == ["x", "x", "x"]
    assert [entry.offset for entry in entries("events.ndjson")][:3] == [0.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("$5.00", (500, 2, "USD")),
        ("R$ 20,50", (2050, 2, "BRL")),
        ("€1.000", (100000, 2, "EUR")),
        ("1\u00a0000,50\u00a0€", (100050, 2, "EUR")),
        ("₩10,000", (10000, 0, "KRW")),
        ("SEK 99.00", (9900, 2, "SEK")),
        ("NT$75", (7500, 2, "TWD")),
        ("five dollars", None),
        ("¤ 5", None),
        ("", None),
        (None, None),
    ],
)
def test_money_is_whole_minor_units_or_nothing(text, worth):
    found = money(text)
    assert (tuple(found.values()) or None) == worth


@given(st.integers(0, 10**9), st.integers(0, 99), st.sampled_from(["$", "CA$", "R$", "€", "£"]))
def test_amounts_with_grouping_and_cents_are_read_back(whole, cents, symbol):
    assert money(f"{symbol}{whole:,}.{cents:02}")["amount_minor"] == whole * 100 + cents
