"""YouTube: what each item becomes, the held response cut anywhere, quota that is never exceeded, and chats that end, break and come back."""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest
from fake_youtube import FakeYouTube, refusal
from hypothesis import given
from hypothesis import strategies as st
from reading import Heard, texts

from connectors.connector import (
    Broadcast,
    Dropped,
    Health,
    Mark,
    ProcessMemory,
    Refused,
    Resume,
    Secret,
    Target,
    Throttled,
    Tools,
    Unreadable,
    Watch,
    make_pseudonym,
)
from connectors.event import Gap, Gift, Level, Message, Removed, Status, Unknown, Viewers
from connectors.youtube import NO_KEY, Options, YouTube
from connectors.youtube.aim import NO_CHAT, NO_LIVE, OUT_OF_SCOPE, UNKNOWN_VIDEO, WAITING, Chat, Known, aim, is_far
from connectors.youtube.api import CLOSED, Api
from connectors.youtube.gate import Gate
from connectors.youtube.parse import NUMBERED, Context, read_broken, read_page, read_time
from connectors.youtube.places import Place, gap_before, read_cursor
from connectors.youtube.problems import Refusal, judge, judge_error
from connectors.youtube.quota import Ledger, cost_of, midnight_after, pacific_day, poll_seconds
from connectors.youtube.stream import Scanner
from connectors.youtube.videos import Video, read_videos, video_id
from monitor.watch import config_from_watch

NOW = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)
PSEUDONYM = make_pseudonym(b"key of this test")
TOOLS = Tools(pseudonym=PSEUDONYM, now=lambda: NOW)
CAPTURES = Path(__file__).parent / "captures" / "youtube"
CHAT = "KicKGFVDYW5hX19fX19fX19fX19fX19fX19fX19fEgthbmFfX19fX19fXw"


def capture(name: str) -> bytes:
    return (CAPTURES / f"{name}.json").read_bytes()


def parse(content) -> list:
    return YouTube.parse(content if isinstance(content, bytes) else orjson.dumps(content), TOOLS)


def item(kind: str | None = "textMessageEvent", native="m1", at="2026-10-16T11:59:00Z", **snippet):
    found = {"id": native, "snippet": {"type": kind, "liveChatId": "c1", "publishedAt": at, **snippet}}
    found["authorDetails"] = {"channelId": "UC1", "displayName": "Zoë"}
    return found


# --- what each item becomes -------------------------------------------------------------------------------------------


def test_a_text_message_is_a_comment_with_its_own_time_and_a_pseudonym():
    first, _ = parse(capture("list"))
    assert first == Message(
        id="youtube:LCC.EhwKGkNNaW52ZW50ZWQ0001", platform="youtube", livestream=f"youtube:{CHAT}",
        at=datetime(2026, 10, 16, 11, 50, 0, 645000, tzinfo=UTC), received_at=NOW, author=PSEUDONYM("youtube", "UCzoe___________________"),
        author_name="@zoe-x1y", text="Olá da fábrica 奇瑞 👋",
    )  # fmt: skip


def test_what_is_paid_is_a_gift_in_integers_and_its_words_are_a_message():
    events = parse(capture("paid"))
    gifts = [(e.name, e.count, e.amount_minor, e.exponent, e.currency) for e in events if isinstance(e, Gift)]
    assert gifts == [
        ("superchat", 1, 2_000_000, 6, "EUR"),
        ("superchat", 1, 800_000_000, 6, "JPY"),
        ("supersticker", 1, 2_000_000, 6, "EUR"),
        ("membership", 1, 0, 0, None),
        ("membership_upgrade", 1, 0, 0, None),
        ("membership_gift", 5, 0, 0, None),
        ("Rose", 1, 20, 0, "JEWELS"),
        ("fanfunding", 1, 1_000_000, 6, "USD"),
    ]
    assert [e.text for e in events if isinstance(e, Message)] == ["gg", "one year"]
    assert events[0].id + ":superchat" == events[1].id


def test_removals_name_the_message_or_its_author_and_never_his_own_id():
    deleted, retracted, banned, tombstone = parse(capture("removals"))
    assert (deleted.target, retracted.target) == ("youtube:LCC.EhwKGkNNaW52ZW50ZWQ0001", "youtube:LCC.EhwKGkNNaW52ZW50ZWQ0002")
    assert banned.target_author == PSEUDONYM("youtube", "UCeve___________________")
    assert (banned.from_, banned.to) == (banned.at - timedelta(minutes=10), banned.at)
    assert tombstone.target == "youtube:LCC.EhwKGkNNaW52ZW50ZWQ0033"
    assert "UCeve" not in repr(banned)


def test_a_removal_told_twice_is_one():
    twice = [item("messageDeletedEvent", native, messageDeletedDetails={"deletedMessageId": "m1"}) for native in ("d1", "d2")]
    assert len({parse(one)[0].id for one in twice}) == 1


def test_modes_are_nothing_and_kinds_that_nobody_knows_are_counted():
    assert [(e.name, type(e)) for e in parse(capture("modes"))] == [("poll", Unknown), ("hologramEvent", Unknown)]


def test_the_end_is_told_once_by_item_and_by_offline_at():
    [ended] = parse(capture("ended"))
    assert isinstance(ended, Status)
    assert (ended.state, ended.at) == ("ended", NOW.replace(hour=12, minute=30))


def test_offline_at_alone_ends_too_and_never_in_the_future():
    page = read_page(b'{"offlineAt":"2026-10-16T23:00:00Z","items":[]}', Context(NOW, PSEUDONYM, "L", "V"))
    assert page.ended
    assert [(e.id, e.at) for e in page.events] == [("youtube:V:ended", NOW)]


def test_videos_give_viewers_and_likes_of_the_live_ones_and_the_end_of_the_others():
    viewers, likes, ended = parse(capture("videos"))
    assert (viewers.viewers, viewers.livestream, viewers.broadcast) == (1200, "youtube:UCana___________________", "ana________")
    assert isinstance(likes, Level)
    assert (likes.what, likes.value) == ("reactions", 345)
    assert (ended.id, ended.state) == ("youtube:bo_________:ended", "ended")


def test_hidden_viewers_are_unknown_and_not_zero():
    live = {"liveStreamingDetails": {"actualStartTime": "2026-10-16T11:00:00Z"}, "statistics": {"likeCount": None}}
    assert parse({"id": "v", "kind": "youtube#video", **live}) == []


def test_an_announced_video_has_no_figures_yet():
    soon = {"id": "v", "liveStreamingDetails": {"scheduledStartTime": "2026-10-16T13:00:00Z", "concurrentViewers": "3"}}
    assert parse(soon | {"statistics": {"likeCount": "5"}}) == []


def test_arrays_and_single_items_are_read_as_well():
    assert [event.text for event in parse(capture("array"))] == ["one", "two"]
    assert [event.text for event in parse(capture("item"))] == ["alone"]


@pytest.mark.parametrize("kind", ["TEXT_MESSAGE_EVENT", "textMessage", 1, None, ""])
def test_a_kind_is_known_by_any_of_its_names_or_by_its_details(kind):
    [message] = parse(item(kind, displayMessage="hi", textMessageDetails={"messageText": "hi"}))
    assert isinstance(message, Message)


@pytest.mark.parametrize("kind", [kind for kind in NUMBERED[1:] if kind])
def test_every_kind_without_any_detail_is_events_or_unreadable(kind):
    events = parse({"items": [item(kind)]})
    assert {event.name for event in events if isinstance(event, Unknown)} <= {
        "poll",
        "unreadable missing_text",
        "unreadable missing_target",
    }


@pytest.mark.parametrize(
    ("details", "value"),
    [
        ({"amountMicros": "5000000", "currency": "usd"}, (5_000_000, 6, "USD")),
        ({"amountMicros": 5000000, "currency": "USD"}, (5_000_000, 6, "USD")),
        ({"amountMicros": 5000000.0, "currency": "USD"}, (5_000_000, 6, "USD")),
        ({"currency": "USD"}, (0, 0, None)),
        ({"amountMicros": "5000000"}, (0, 0, None)),
        ({"amountMicros": "5000000", "currency": "dollars"}, (0, 0, None)),
        ({}, (0, 0, None)),
    ],
)
def test_money_comes_as_text_or_number_and_unknown_is_not_guessed(details, value):
    [gift] = parse(item("superChatEvent", superChatDetails=details))
    assert (gift.amount_minor, gift.exponent, gift.currency) == value


@pytest.mark.parametrize("amount", ["-5", "5.5", "1e6", "9" * 30, True, -1, 0.5, [], {}])
def test_an_amount_that_is_none_is_unreadable(amount):
    with pytest.raises(Unreadable, match="bad_number"):
        parse(item("superChatEvent", superChatDetails={"amountMicros": amount, "currency": "EUR"}))


def test_gifts_in_the_newer_shape_are_read():
    details = {"giftMetadata": {"jewelsAmount": "7", "giftName": "Star", "comboCount": 2}}
    [gift] = parse(item("giftEvent", giftEventDetails=details))
    assert (gift.name, gift.count, gift.amount_minor, gift.currency) == ("Star", 1, 7, "JEWELS")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"snippet": None}, "missing_snippet"),
        ({"snippet": {"type": "textMessageEvent", "displayMessage": "x", "publishedAt": "yesterday"}}, "bad_time"),
        ({"snippet": {"type": "textMessageEvent", "displayMessage": "x", "publishedAt": "1999-01-01T00:00:00Z"}}, "bad_time"),
        ({"snippet": {"type": "textMessageEvent"}}, "missing_text"),
        ({"snippet": {}}, "missing_kind"),
        ({"snippet": {"type": "textMessageEvent", "displayMessage": "x"}, "authorDetails": {}}, "missing_author"),
        ({"snippet": {"type": "userBannedEvent", "userBannedDetails": {}}}, "missing_target"),
    ],
)
def test_what_cannot_be_read_says_why(change, reason):
    with pytest.raises(Unreadable, match=reason):
        parse(item() | change)


def test_one_bad_item_does_not_take_its_batch_with_it():
    good = item(displayMessage="fine")
    events = parse({"items": [None, {"snippet": 3}, good, item(displayMessage=7, native="m2")], "nextPageToken": "t"})
    assert [type(event) for event in events] == [Unknown, Unknown, Message, Unknown]
    assert {event.name for event in events if isinstance(event, Unknown)} == {
        "unreadable missing_snippet",
        "unreadable missing_text",
    }


def test_authors_and_times_are_taken_from_where_they_are():
    bare = {
        "id": "m",
        "snippet": {"type": "textMessageEvent", "authorChannelId": "UC1", "textMessageDetails": {"messageText": "hi"}},
    }
    [message] = parse(bare)
    assert (message.author, message.author_name, message.at, message.livestream) == (PSEUDONYM("youtube", "UC1"), None, NOW, None)


@pytest.mark.parametrize(
    "text", ["2026-10-16T11:59:00.123456789Z", "2026-10-16T13:59:00.123456+02:00", "2026-10-16T11:59:00.123456"]
)
def test_times_have_any_number_of_digits_and_any_offset(text):
    assert read_time(text) == datetime(2026, 10, 16, 11, 59, 0, 123456, tzinfo=UTC)


def test_a_chat_that_is_not_ours_is_left_alone():
    raw = orjson.dumps(item(displayMessage="hi"))
    assert [event.livestream for event in YouTube.parse(raw, TOOLS, livestreams={"c1": "L1"})] == ["L1"]
    assert YouTube.parse(raw, TOOLS, livestreams={"other": "L1"}) == []


def test_an_error_is_no_event():
    with pytest.raises(Unreadable, match="api_error"):
        parse({"error": {"code": 403}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
FIELDS = sorted({"type", "publishedAt", "displayMessage", "liveChatId", "authorChannelId", "superChatDetails", "giftDetails", "pollDetails",
                 "messageDeletedDetails", "userBannedDetails", "membershipGiftingDetails", "textMessageDetails"})  # fmt: skip


@given(
    kind=st.sampled_from([kind for kind in NUMBERED if kind] + ["giftEvent"]),
    fields=st.dictionaries(st.sampled_from(FIELDS), json_values),
)
def test_any_field_of_any_type_is_an_event_or_unreadable(kind, fields):
    raw = json.dumps(item(kind) | {"snippet": {"type": kind, **fields}}).encode()
    try:
        events = parse(raw)
    except Unreadable:
        events = []
    assert all(event.id.startswith("youtube:") for event in events)


# --- the held response ------------------------------------------------------------------------------------------------

objects = st.lists(st.dictionaries(st.text(max_size=6), json_values, max_size=4), max_size=5)


def framed(found: list, style: str) -> bytes:
    texts = [json.dumps(one, ensure_ascii=style != "array", indent=2 if style == "pretty" else None).encode() for one in found]
    return b"\n".join(texts) if style == "bare" else b"[" + b"\n,\r\n".join(texts) + b"]\n"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(found=objects, style=st.sampled_from(["array", "pretty", "bare"]), places=st.lists(st.integers(0, 2000), max_size=30))
def test_wherever_it_is_cut_the_objects_are_the_same(found, style, places):
    scanner = Scanner()
    got = [raw for part in cut(framed(found, style), places) for raw in scanner.feed(part)]
    assert [json.loads(raw) for raw in got] == found
    assert not scanner.pending
    assert scanner.skipped == 0
    assert scanner.closed == (style != "bare")


def test_byte_by_byte_through_characters_escapes_and_braces_in_strings():
    found = [{"text": '} { ] [ " \\ \u2028 奇瑞 👋 \\"'}, {"a": {"b": [{"c": "\\"}]}}, {}]
    scanner = Scanner()
    data = framed(found, "array")
    assert [json.loads(raw) for i in range(len(data)) for raw in scanner.feed(data[i : i + 1])] == found


@given(noise=st.binary(max_size=40).map(lambda noise: noise.replace(b"{", b"")), places=st.lists(st.integers(0, 100), max_size=5))
def test_noise_between_the_objects_is_passed_over(noise, places):
    scanner = Scanner()
    assert [raw for part in cut(b'[{"a":1}' + noise + b'{"b":2}', places) for raw in scanner.feed(part)] == [
        b'{"a":1}',
        b'{"b":2}',
    ]


def test_half_an_object_is_pending_and_an_endless_one_is_given_up():
    scanner = Scanner(most_bytes=1000)
    assert scanner.feed(b'[{"a":"') == []
    assert scanner.pending
    assert scanner.feed(b"x" * 990) == []
    with pytest.raises(Unreadable, match="too_large"):
        scanner.feed(b"x" * 10)


def page(n: int, *, space: str = " ", **more) -> dict:
    items = [
        {"kind": "youtube#liveChatMessage", "id": f"{n}-{m}", "snippet": {"type": "textMessageEvent", "displayMessage": f'}} "{n}" {{ {m}'}, "authorDetails": {"channelId": "UCa"}}
        for m in range(3)
    ]  # fmt: skip
    return {"kind": "youtube#liveChatMessageListResponse", "nextPageToken": f"T{n}", "items": items, **more}


DAMAGES = {
    "a brace too few": lambda text: text.replace(b"}]}", b"]}", 1),
    "a quote too few": lambda text: text.replace(b'"T1"', b'"T1', 1),
    "cut off": lambda text: text[: len(text) // 2],
    "a brace too many": lambda text: text.replace(b"}},", b"}}},", 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("indent", [None, 2])
@given(places=st.lists(st.integers(0, 8000), max_size=12))
def test_a_broken_page_takes_no_other_with_it_wherever_it_is_cut(damage, indent, places):
    texts = [json.dumps(page(n), indent=indent).encode() for n in range(4)]
    texts[1] = DAMAGES[damage](texts[1]) if indent is None else texts[1].rstrip(b"}")
    data = b"[" + b"\n,\n".join(texts) + b"]"
    scanner = Scanner()
    got = [raw for part in cut(data, places) for raw in scanner.feed(part)]
    assert [raw for raw in got if raw in texts] == [texts[0], texts[2], texts[3]]
    assert not scanner.pending


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_whole_in_a_broken_page_is_read_and_the_rest_is_counted(damage):
    context = Context(NOW, PSEUDONYM, "youtube:x", "v")
    scanner = Scanner()
    pieces = scanner.feed(b"[" + DAMAGES[damage](json.dumps(page(1)).encode()) + b"," + json.dumps(page(2)).encode())
    found = []
    for piece in pieces:
        try:
            found += read_page(piece, context).events
        except Unreadable as problem:
            found += read_broken(piece, problem, context).events
    kinds = Counter(type(event) for event in found)
    assert kinds[Unknown] == 1
    assert kinds[Message] >= (4 if damage == "cut off" else 5)
    assert {event.id for event in found if isinstance(event, Message)} >= {f"youtube:2-{m}" for m in range(3)} | {"youtube:1-0"}


# --- quota ------------------------------------------------------------------------------------------------------------

PACIFIC = ZoneInfo("America/Los_Angeles")


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        (datetime(2026, 7, 1, 6, 59, tzinfo=UTC), datetime(2026, 7, 1, 7, 0, tzinfo=UTC)),
        (datetime(2026, 7, 1, 7, 0, tzinfo=UTC), datetime(2026, 7, 2, 7, 0, tzinfo=UTC)),
        (datetime(2026, 12, 1, 12, 0, tzinfo=UTC), datetime(2026, 12, 2, 8, 0, tzinfo=UTC)),
        (datetime(2026, 3, 8, 9, 0, tzinfo=UTC), datetime(2026, 3, 9, 7, 0, tzinfo=UTC)),  # 23 hours: clocks go forward
        (datetime(2026, 11, 1, 8, 0, tzinfo=UTC), datetime(2026, 11, 2, 8, 0, tzinfo=UTC)),  # 25 hours: and back
    ],
)
def test_midnight_is_the_pacific_one_on_the_odd_days_too(now, midnight):
    assert midnight_after(now) == midnight


@given(now=st.integers(1_735_689_600, 1_893_456_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_the_day_changes_at_midnight_and_not_before(now):
    midnight = midnight_after(now)
    assert now < midnight <= now + timedelta(hours=25)
    assert pacific_day(midnight - timedelta(microseconds=1)) == pacific_day(now) < pacific_day(midnight)
    assert midnight.astimezone(PACIFIC).time().isoformat() == "00:00:00"


def test_a_call_that_is_not_in_the_table_counts_as_the_dearest():
    assert (cost_of("videos"), cost_of("liveChat/messages/stream"), cost_of("something/new")) == (1, 5, 5)


def test_the_reserve_is_for_opening_chats_only():
    ledger = Ledger(units_per_day=1000, reserve=100)
    assert ledger.fits(1000, essential=True)
    assert not ledger.fits(1001, essential=True)
    assert ledger.fits(900, essential=False)
    assert not ledger.fits(901, essential=False)


@given(
    wanted=st.floats(1, 300), left=st.integers(0, 50_000), calls=st.integers(1, 40), seconds=st.floats(60, 90_000),
)  # fmt: skip
def test_figures_take_at_most_half_of_what_is_left(wanted, left, calls, seconds):
    interval = poll_seconds(wanted=wanted, longest=300, left=left, calls=calls, seconds=seconds)
    if interval is not None:
        assert wanted <= interval <= 300
        assert calls * seconds / interval <= left / 2 + calls


def test_the_default_quota_carries_350_channels_a_minute_and_1000_not():
    left, seconds = 9_400, 12 * 3600
    assert poll_seconds(wanted=60, longest=300, left=left, calls=7, seconds=seconds) == pytest.approx(64.3, abs=1)
    assert poll_seconds(wanted=60, longest=300, left=left, calls=40, seconds=seconds) is None


# --- errors -----------------------------------------------------------------------------------------------------------


def problem(status: int, reason: str, message: str = "", **more):
    body = json.dumps({"error": {"code": status, "message": message, "errors": [{"reason": reason, **more}]}}).encode()
    return judge(status, body, None, NOW)


@pytest.mark.parametrize(
    ("status", "reason", "meaning"),
    [
        (403, "quotaExceeded", "day"),
        (403, "dailyLimitExceeded", "day"),
        (403, "rateLimitExceeded", "slow"),
        (403, "userRateLimitExceeded", "slow"),
        (429, "", "slow"),
        (401, "authError", "key"),
        (400, "keyInvalid", "key"),
        (403, "accessNotConfigured", "key"),
        (403, "ipRefererBlocked", "key"),
        (403, "liveChatEnded", "ended"),
        (403, "liveChatDisabled", "disabled"),
        (404, "liveChatNotFound", "gone"),
        (404, "videoNotFound", "gone"),
        (403, "forbidden", "closed"),
        (400, "invalidValue", "closed"),
        (500, "backendError", "dropped"),
        (503, "", "dropped"),
    ],
)
def test_what_an_answer_means(status, reason, meaning):
    assert problem(status, reason).meaning == meaning


def test_the_newer_shape_in_an_array_means_the_same():
    def told(status, state, reason, message="", **metadata):
        error = {"code": status, "status": state, "message": message, "details": [{"reason": reason, "metadata": metadata}]}
        return judge(status, json.dumps([{"error": error}]).encode(), None, NOW).meaning

    assert told(400, "INVALID_ARGUMENT", "API_KEY_INVALID") == "key"
    assert told(403, "PERMISSION_DENIED", "SERVICE_DISABLED") == "key"
    assert told(403, "PERMISSION_DENIED", "SOMETHING") == "closed"
    assert told(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", quota_limit="defaultPerMinutePerProject") == "slow"
    assert told(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", quota_limit="defaultPerDayPerProject") == "day"


def test_a_used_up_day_ends_at_midnight_and_slowness_when_it_is_said():
    assert problem(403, "quotaExceeded").until == datetime(2026, 10, 17, 7, 0, tzinfo=UTC)
    assert judge(429, b"", "120", NOW).until == NOW + timedelta(seconds=120)
    assert judge(503, b"", "30", NOW).until == NOW + timedelta(seconds=30)
    assert judge(429, b"", None, NOW).until == NOW + timedelta(seconds=60)


def test_a_token_that_is_not_known_is_no_fault_of_the_chat():
    body = json.dumps({"error": {"code": 400, "errors": [{"reason": "invalidPageToken"}]}}).encode()
    assert judge(400, body, None, NOW, token=True).meaning == "token"
    assert judge_error({"code": 403, "errors": [{"reason": "liveChatEnded"}]}, NOW).meaning == "ended"


@given(
    body=st.binary(max_size=60) | json_values.map(lambda value: json.dumps({"error": value}).encode()),
    status=st.integers(201, 599),
)
def test_any_body_of_any_status_means_something(body, status):
    assert judge(status, body, None, NOW).words


# --- which chats ------------------------------------------------------------------------------------------------------


def target(name="L", handle="ana", broadcasts=(), native_id="UC1", resume=None) -> Target:
    return Target(livestream=name, handle=handle, native_id=native_id, broadcasts=broadcasts, resume=resume or Resume())


def aimed(one: Target, videos=None, over=None, reading=None):
    return aim([one], Known(videos or {}, over or {}, reading or {}))


@pytest.mark.parametrize(
    "pasted",
    [
        "6p_JM-I7EVg", " 6p_JM-I7EVg ", "https://www.youtube.com/watch?v=6p_JM-I7EVg", "https://youtube.com/watch?app=desktop&v=6p_JM-I7EVg&t=3s",
        "https://youtu.be/6p_JM-I7EVg?si=abc", "youtube.com/live/6p_JM-I7EVg", "https://m.youtube.com/watch?v=6p_JM-I7EVg",
        "https://studio.youtube.com/video/6p_JM-I7EVg/livestreaming", "https://www.youtube.com/live_chat?is_popout=1&v=6p_JM-I7EVg",
        "http://www.youtube.com/shorts/6p_JM-I7EVg", "https://www.youtube-nocookie.com/embed/6p_JM-I7EVg",
    ],
)  # fmt: skip
def test_a_video_is_known_by_any_of_its_addresses(pasted):
    assert video_id(pasted) == "6p_JM-I7EVg"


@pytest.mark.parametrize("pasted", ["@joao.autos", "joao", "https://www.youtube.com/@joao", "https://evil.example/watch?v=6p_JM-I7EVg", "",
                                    "https://www.youtube.com/watch?v=6p_JM-I7EVgg", "UCvjgXvBlbQiydffZU7m1_aw"])  # fmt: skip
def test_anything_else_is_no_video(pasted):
    assert video_id(pasted) is None


def test_a_channel_without_a_broadcast_waits_and_says_why():
    found = aimed(target())
    assert (found.chats, found.videos) == ({}, {})
    assert found.idle == [Health(livestream="L", state="waiting", reason=WAITING)]


def test_a_handle_of_eleven_letters_is_no_video_when_the_channel_is_known():
    assert aimed(target(handle="joaoautos12")).videos == {}
    assert aimed(target(handle="joaoautos12", native_id=None)).videos == {"joaoautos12": "L"}


def test_a_live_broadcast_with_its_chat_is_read_at_once():
    found = aimed(target(broadcasts=(Broadcast(native_id="v1", chat_id="c1"),)))
    assert list(found.chats) == [("L", "v1")]
    assert found.videos == {"v1": "L"}
    assert found.idle == []


def test_a_broadcast_without_a_chat_id_is_asked_about_first():
    found = aimed(target(broadcasts=(Broadcast(native_id="v1"),)))
    assert (found.chats, found.videos) == ({}, {"v1": "L"})
    assert [health.state for health in found.idle] == ["connecting"]


def test_two_at_once_are_both_read_and_one_that_is_not_in_scope_is_not():
    both = (Broadcast(native_id="v1", chat_id="c1"), Broadcast(native_id="v2", chat_id="c2"))
    assert {video for _, video in aimed(target(broadcasts=both)).chats} == {"v1", "v2"}
    found = aimed(target(broadcasts=(Broadcast(native_id="v1", chat_id="c1", in_scope=False),)))
    assert (found.chats, found.videos, found.idle[0].reason) == ({}, {}, OUT_OF_SCOPE)


@pytest.mark.parametrize(
    ("video", "state", "reason"),
    [
        (None, "refused", UNKNOWN_VIDEO),
        (Video(id="v1", state="none"), "refused", NO_LIVE),
        (Video(id="v1", state="live"), "refused", NO_CHAT),
        (Video(id="v1", state="ended", chat_id="c"), "ended", "the broadcast is over"),
        (
            Video(id="v1", state="upcoming", chat_id="c", scheduled_at=NOW),
            "waiting",
            "a broadcast is announced for 2026-10-16 12:00 UTC",
        ),
    ],
)
def test_what_youtube_says_of_the_video_decides(video, state, reason):
    found = aimed(target(broadcasts=(Broadcast(native_id="v1"),)), {"v1": video})
    assert found.chats == {}
    assert found.idle == [Health(livestream="L", state=state, reason=reason)]


def test_an_open_chat_is_read_to_its_own_end():
    reading = Chat("L", "v1", "c1", None, "ana", "UC1")
    one = target(broadcasts=(Broadcast(native_id="v1", chat_id="c1"),))
    for video in (None, Video(id="v1", state="ended")):
        assert aimed(one, {"v1": video}, reading={("L", "v1"): reading}).chats == {("L", "v1"): reading}
        assert aimed(one, {"v1": video}).chats == {}
    assert aimed(one, {}, over={"v1": "why"}, reading={("L", "v1"): reading}).idle == [
        Health(livestream="L", state="ended", reason="why")
    ]


def test_an_announced_broadcast_says_more_than_one_that_is_over():
    both = (Broadcast(native_id="v1"), Broadcast(native_id="v2"))
    found = aimed(target(broadcasts=both), {"v1": Video(id="v1", state="ended"), "v2": Video(id="v2", state="upcoming")})
    assert [health.state for health in found.idle] == ["waiting"]


def test_what_begins_tomorrow_is_not_asked_for_every_minute():
    assert is_far([Video(id="v", state="upcoming", scheduled_at=NOW + timedelta(hours=3)), None], NOW)
    assert not is_far([Video(id="v", state="upcoming", scheduled_at=NOW + timedelta(minutes=3))], NOW)
    assert not is_far([Video(id="v", state="live")], NOW)


def test_videos_become_broadcasts_for_discovery():
    live, _, soon = read_videos(capture("videos"))
    assert live.broadcast() == Broadcast(
        native_id="ana________", chat_id=CHAT, title="Factory tour", started_at=NOW.replace(hour=11, minute=30),
        scheduled_at=NOW.replace(hour=11, minute=30),
    )  # fmt: skip
    assert (soon.state, soon.broadcast(in_scope=False).in_scope) == ("upcoming", False)
    with pytest.raises(Unreadable, match="api_error"):
        read_videos(b'{"error":{}}')


# --- places and gaps --------------------------------------------------------------------------------------------------

EARLIER = NOW - timedelta(minutes=10)


def gap(**more):
    asked = {"lost": None, "resume": Resume(), "started_at": None, "oldest": NOW - timedelta(minutes=1), "items": 75, "now": NOW}
    return gap_before("L", "v", **(asked | more))


def test_a_chat_that_nobody_answered_for_has_no_gap():
    assert gap() is None


def test_what_was_before_the_history_is_a_gap_from_when_we_answered_or_the_broadcast_began():
    found = gap(resume=Resume(covered_until=EARLIER))
    assert (found.from_, found.to) == (EARLIER, NOW - timedelta(minutes=1))
    assert gap(resume=Resume(covered_until=EARLIER), started_at=NOW - timedelta(minutes=5)).from_ == NOW - timedelta(minutes=5)
    assert gap(resume=Resume(covered_until=NOW)) is None
    assert gap(resume=Resume(covered_until=EARLIER), items=49) is None, "so short a history is whole"


def test_a_lost_token_is_a_gap_from_its_last_batch_however_short_the_history():
    found = gap(lost=Place("", EARLIER), items=0, oldest=None)
    assert (found.from_, found.to) == (EARLIER, NOW)


@pytest.mark.parametrize(
    "cursor", [None, "", "T12", "[]", '{"v":1}', '{"v":["t"]}', '{"v":["t","never"]}', '{"v":["t","2026-10-16T12:00:00"]}']
)
def test_a_cursor_that_cannot_be_read_is_none(cursor):
    assert read_cursor(cursor) == {}


# --- running ----------------------------------------------------------------------------------------------------------


def tools(**more) -> Tools:
    return Tools(pseudonym=PSEUDONYM, dice=random.Random(1), **more)


@pytest.fixture
async def server():
    async with FakeYouTube() as running:
        yield running


@pytest.fixture
async def start(server):
    """Starts a connector on some of the fake's channels and stops it at the end."""
    started: list[Heard] = []

    def run(*targets, watch=None, with_tools=None, **options) -> Heard:
        chosen = {**{name: getattr(server.options(), name) for name in Options.__dataclass_fields__}, **options}
        watched = watch or Watch(targets or [server.target(handle, Resume()) for handle in server.handles])
        started.append(Heard(YouTube(Options(**chosen), watched, with_tools or tools())))
        return started[-1]

    yield run
    for heard in started:
        await heard.stop()


async def test_without_a_key_a_person_is_told_where_to_put_it(start):
    assert (await start(api_key=None).failure()).reason == NO_KEY


async def test_history_comes_without_a_token_and_not_with_one(server, start):
    for n in range(80):
        await server.say("ana", f"{n}")
    heard = start(server.target("ana", Resume()))
    await heard.until(lambda heard: len(texts(heard)) == 75 and heard.of(Mark))
    assert texts(heard) == [f"{n}" for n in range(5, 80)], "oldest first"
    await heard.stop()
    again = start(server.target("ana", Resume(cursor=heard.of(Mark)[-1].cursor)))
    await server.heard("ana")
    await server.say("ana", "new")
    await again.until(lambda heard: "new" in texts(heard))
    assert texts(again) == ["new"]


async def test_when_the_server_ends_the_response_reading_goes_on_behind_it(server, start):
    server.pages_per_response = 2
    heard = start(server.target("ana", Resume()), retry_seconds=0.01)
    for n in range(6):
        await server.heard("ana")
        await server.say("ana", f"{n}")
    await heard.until(lambda heard: len(texts(heard)) == 6)
    assert texts(heard) == [str(n) for n in range(6)], "nothing twice, nothing lost"
    tokens = [query.get("pageToken") for query in server.called("liveChat/messages/stream")]
    assert tokens[0] is None
    assert None not in tokens[1:]


async def test_objects_without_the_array_are_read_too(server, start):
    server.bare = True
    heard = start(server.target("ana", Resume()))
    await server.heard("ana")
    await server.say("ana", "bare")
    await heard.until(lambda heard: texts(heard) == ["bare"])


async def test_a_token_that_is_not_known_any_more_is_a_gap_and_the_history(server, start):
    await server.say("ana", "old")
    server.rooms["ana"].first_token = 5
    cursor = json.dumps({server.rooms["ana"].video: ["T1", "2026-10-16T12:00:00+00:00"]})
    heard = start(server.target("ana", Resume(cursor=cursor)))
    await heard.until(lambda heard: texts(heard) == ["old"])
    [gap] = heard.of(Gap)
    assert gap.from_ == datetime(2026, 10, 16, 12, 0, tzinfo=UTC)
    assert gap.to == heard.of(Message)[0].at


@pytest.mark.parametrize("by", ["item", "offlineAt", "error"])
async def test_the_end_of_a_broadcast_ends_its_chat_and_no_other(server, start, by):
    heard = start()
    await server.heard("ana")
    await server.heard("bo")
    await server.say("ana", "bye")
    await server.end("ana", by=by)
    await heard.until(lambda heard: any(h.livestream == "youtube:ana" and h.state == "ended" for h in heard.of(Health)))
    await server.until(lambda: not server.listeners("ana"))
    await server.say("bo", "still here")
    await heard.until(lambda heard: "still here" in texts(heard))
    assert texts(heard)[0] == "bye"
    [ended] = [status for status in heard.of(Status) if status.state == "ended"]
    assert (ended.livestream, ended.id) == ("youtube:ana", f"youtube:{server.rooms['ana'].video}:ended")


async def test_a_live_chat_is_told_once_with_its_broadcast(server, start):
    server.pages_per_response = 1
    heard = start(server.target("ana", Resume()))
    await server.until(lambda: len(server.called("liveChat/messages/stream")) >= 3)
    [status] = heard.of(Status)
    assert (status.state, status.broadcast) == ("live", server.rooms["ana"].video)


async def test_viewers_and_likes_come_with_one_call_for_all(server, start):
    server.rooms["bo"].viewers = None
    heard = start()
    await heard.until(lambda heard: len(heard.of(Level)) >= 6)
    first = {(v.livestream, v.viewers) for v in heard.of(Viewers)}
    assert first == {("youtube:ana", 1200), ("youtube:cy", 1200)}, "hidden is unknown"
    assert heard.of(Viewers)[0].interval_seconds == 0.2
    assert {query["id"].count(",") for query in server.called("videos")} == {2}


@pytest.mark.parametrize(("units", "interval"), [(10_000, 60.0), (601, 300.0)])
async def test_viewers_say_how_often_the_units_let_them_be_asked_for(server, start, units, interval):
    """Where figures are not asked for any more, those that came with a new video are believed until they could come again."""
    unknown = Target(livestream="youtube:ana", handle=server.rooms["ana"].video)
    heard = start(unknown, viewers_seconds=60.0, units_per_day=units, reserve_units=600)
    await heard.until(lambda heard: heard.of(Viewers))
    assert heard.of(Viewers)[0].interval_seconds == interval


async def test_a_channel_waits_until_discovery_finds_its_broadcast(server, start):
    waiting = Target(livestream="youtube:ana", handle="ana", native_id=server.rooms["ana"].channel)
    watch = Watch([waiting])
    heard = start(watch=watch)
    await heard.until(lambda heard: [h.state for h in heard.of(Health)] == ["waiting"])
    assert server.calls == [], "nothing is paid for it"
    watch.update([server.target("ana", Resume())])
    await server.heard("ana")
    await heard.until(lambda heard: heard.of(Health)[-1].state == "live")


async def test_a_target_that_leaves_is_not_read_on_and_the_next_broadcast_is(server, start):
    watch = Watch([server.target(handle, Resume()) for handle in ("ana", "bo")])
    start(watch=watch)
    await server.heard("ana")
    await server.heard("bo")
    watch.update([server.target("bo", Resume()), server.target("cy", Resume())])
    await server.heard("cy")
    await server.until(lambda: not server.listeners("ana"))
    assert len(server.called("liveChat/messages/stream")) == 3, "bo was left alone"


async def test_a_watch_address_is_resolved_for_one_unit(server, start):
    room = server.rooms["ana"]
    heard = start(Target(livestream="youtube:x", handle=f"https://www.youtube.com/watch?v={room.video}"))
    await server.heard("ana")
    await server.say("ana", "found")
    await heard.until(lambda heard: texts(heard) == ["found"])
    assert heard.of(Message)[0].broadcast == room.video
    assert server.calls[0][0].endswith("/videos")


async def test_an_announced_broadcast_waits_and_is_read_when_it_begins(server, start):
    room = server.rooms["ana"]
    room.state = "upcoming"
    watch = Watch([Target(livestream="youtube:ana", handle=room.video)])
    heard = start(watch=watch)
    await heard.until(lambda heard: any("announced" in h.reason for h in heard.of(Health)))
    assert server.called("liveChat/messages/stream") == []
    room.state = "live"
    await server.heard("ana")


async def test_a_video_that_does_not_exist_is_refused_in_words(server, start):
    heard = start(Target(livestream="youtube:x", handle="nothing_here"[:11]))
    await heard.until(
        lambda heard: any(h == Health(livestream="youtube:x", state="refused", reason=UNKNOWN_VIDEO) for h in heard)
    )


async def test_a_chat_that_is_switched_off_is_refused_and_its_viewers_go_on(server, start):
    server.rooms["ana"].chat = False
    heard = start(server.target("ana", Resume()))
    await heard.until(lambda heard: any(h.state == "refused" and "switched off" in h.reason for h in heard.of(Health)))
    await heard.until(lambda heard: len(heard.of(Viewers)) >= 2)
    assert len(server.called("liveChat/messages/stream")) == 1


async def test_a_chat_that_is_gone_is_looked_up_again_and_read_under_its_new_id(server, start):
    wrong = Broadcast(native_id=server.rooms["ana"].video, chat_id="an-old-chat-id")
    server.rooms["bo"].state = "gone"
    start(Target(livestream="youtube:ana", handle="ana", native_id="UC1", broadcasts=(wrong,)), viewers_seconds=1000.0)
    await server.heard("ana")


async def test_a_chat_that_goes_is_looked_up_once_more_and_then_left(server, start):
    heard = start(server.target("ana", Resume()), viewers_seconds=1000.0)
    await server.heard("ana")
    await heard.until(lambda heard: heard.of(Viewers))
    server.rooms["ana"].state = "gone"
    await server.cut()
    await server.until(lambda: len(server.called("videos")) == 2)
    await heard.until(lambda heard: heard.of(Health)[-1].state == "refused")
    assert len(server.called("liveChat/messages/stream")) == 2


async def test_one_broken_chat_does_not_break_the_others(server, start):
    heard = start(broken_reads=1000)
    for handle in server.handles:
        await server.heard(handle)
    before = len(server.called("liveChat/messages/stream"))
    server.answers += [refusal(500, "backendError", "oops"), refusal(503, "", "oops")]
    [one] = [reader for reader in server._listening.values() if reader.handle == "ana"]
    one.transport.abort()
    await server.until(lambda: not server.listeners("ana"))
    await server.say("ana", "meanwhile")
    await heard.until(lambda heard: "meanwhile" in texts(heard))
    opened = [query["liveChatId"] for query in server.called("liveChat/messages/stream")[before:]]
    assert set(opened) == {server.rooms["ana"].chat_id}
    states = [h.state for h in heard.of(Health) if h.livestream == "youtube:ana"]
    assert (states[:3], states[-1]) == (["connecting", "live", "broken"], "live")


async def test_chats_that_are_cut_all_at_once_are_opened_again_one_by_one(server, start):
    """Each was read until then: that says nothing about the network, and the connection does not give up."""
    heard = start(broken_reads=1)
    for handle in server.handles:
        await server.heard(handle)
        await server.say(handle, "before")
    await heard.until(lambda heard: len(texts(heard)) == 3)
    await server.cut()
    for handle in server.handles:
        await server.heard(handle)
        await server.say(handle, "after")
    await heard.until(lambda heard: sorted(texts(heard)) == ["after"] * 3 + ["before"] * 3)


async def test_when_everything_is_broken_the_connection_is(server, start):
    server.answers += [refusal(500, "backendError", "oops") for _ in range(20)]
    failure = await start(broken_reads=3).failure()
    assert isinstance(failure, Dropped)
    assert "500" in failure.reason


async def test_an_object_that_never_ends_is_dropped_and_read_again(server, start):
    heard = start(server.target("ana", Resume()), broken_reads=1000, stall_seconds=0.1)
    await server.heard("ana")
    [response] = server._listening
    await response.write(b',{"items":[{"id":"half')
    await server.until(lambda: len(server.called("liveChat/messages/stream")) >= 2)
    await server.say("ana", "whole")
    await heard.until(lambda heard: texts(heard) == ["whole"])


async def test_a_page_that_lost_its_end_takes_nothing_that_follows_with_it(server, start):
    heard = start(server.target("ana", Resume()), broken_reads=1000)
    await server.heard("ana")
    [response] = server._listening
    broken = json.dumps(page(1)).removesuffix("]}")
    await response.write(f",{broken},{json.dumps(page(2))}".encode())
    await server.say("ana", "behind it")
    await heard.until(lambda heard: "behind it" in texts(heard))
    assert [message.id for message in heard.of(Message)][:6] == [f"youtube:{n}-{m}" for n in (1, 2) for m in range(3)]
    assert [unknown.name for unknown in heard.of(Unknown)] == ["unreadable not_json"]
    assert len(server.called("liveChat/messages/stream")) == 1


async def test_a_page_without_an_end_is_counted_and_what_follows_the_last_token_is_read_again(server, start):
    heard = start(server.target("ana", Resume()), broken_reads=1000, stall_seconds=60.0)
    await server.heard("ana")
    await server.say("ana", "before")
    await heard.until(lambda heard: "before" in texts(heard))
    token = heard.of(Mark)[-1].cursor
    [response] = server._listening
    with contextlib.suppress(ConnectionError):  # we hang up in the middle of it
        await response.write(b',{"items":[' + b"12345678," * (1 << 20))
    await server.until(lambda: len(server.called("liveChat/messages/stream")) >= 2)
    await server.say("ana", "whole")
    await heard.until(lambda heard: "whole" in texts(heard))
    assert [unknown.name for unknown in heard.of(Unknown)] == ["unreadable too_large"]
    assert server.called("liveChat/messages/stream")[-1]["pageToken"] in token


async def test_a_silent_chat_is_probed_by_the_call_for_figures_and_not_opened_again(server, start):
    start(server.target("ana", Resume()), viewers_seconds=0.02, stall_seconds=0.01)
    await server.heard("ana")
    await server.until(lambda: len(server.called("videos")) >= 8)
    assert len(server.called("liveChat/messages/stream")) == 1


async def test_a_silent_chat_is_opened_again_where_the_option_says_so(server, start):
    start(server.target("ana", Resume()), silence_seconds=0.1, stall_seconds=0.05)
    await server.until(lambda: len(server.called("liveChat/messages/stream")) >= 2)


async def test_an_error_in_the_middle_of_a_response_is_understood(server, start):
    heard = start(server.target("ana", Resume()))
    await server.heard("ana")
    server.rooms["ana"].state = "ended"
    [response] = server._listening
    await response.write(
        b',{"error":{"code":403,"message":"The live chat is no longer live.","errors":[{"reason":"liveChatEnded"}]}}'
    )
    await heard.until(lambda heard: heard.of(Health)[-1].state == "ended")


async def test_polled_chats_are_asked_and_not_held(server, start):
    heard = start(poll_chats=(server.rooms["ana"].video,), poll_chat_seconds=0.01)
    await server.heard("bo")
    await server.say("ana", "polled")
    await heard.until(lambda heard: "polled" in texts(heard))
    await server.say("ana", "again")
    await heard.until(lambda heard: "again" in texts(heard))
    assert texts(heard) == ["polled", "again"]
    assert server.rooms["ana"].chat_id not in {query["liveChatId"] for query in server.called("liveChat/messages/stream")}


# --- one connection's troubles and one chat's ---------------------------------------------------------------------------


def gate(now, **more) -> Gate:
    return Gate(tools(now=now, **more), opens_per_second=100, broken_reads=3, retry_seconds=1.0)


USED_UP = Refusal(problem(403, "quotaExceeded"))


def test_what_is_said_to_the_project_ends_a_connection_only_when_nothing_is_open(clock):
    closed = gate(clock.now)
    with pytest.raises(Throttled):
        closed.shut(USED_UP, clock.now())
    closed.open = 1
    assert closed.shut(USED_UP, clock.now()) == 19 * 3600
    with pytest.raises(Refused):
        closed.shut(Refusal(problem(401, "authError")), clock.now())


async def test_chats_wait_at_a_closed_gate_while_others_are_read_and_give_up_when_none_is(clock):
    told: list[str] = []
    slept: list[float] = []

    async def tell(reason: str) -> None:
        told.append(reason)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        closed.open = 2 - len(slept)

    closed = gate(clock.now, sleep=sleep)
    closed.open = 2
    closed.shut(USED_UP, clock.now())
    with pytest.raises(Throttled) as raised:
        await closed.enter(tell)
    assert (slept, told) == ([60.0, 60.0], [raised.value.reason] * 2)
    closed.open = 1
    clock.advance(19 * 3600)
    await closed.enter(tell)


def test_only_failures_with_nothing_heard_between_them_are_the_networks(clock):
    one = gate(clock.now)
    for _ in range(5):
        one.broke(Dropped("x"), 1)
        one.broke(Dropped("x"), 2)
        one.heard()
    one.broke(Dropped("x"), 1)
    one.broke(Dropped("x"), 2)
    with pytest.raises(Dropped):
        one.broke(Dropped("x"), 3)


# --- running within the quota -----------------------------------------------------------------------------------------


async def test_a_used_up_quota_asks_nothing_until_midnight_pacific(server, start, clock):
    """Not hot, not later by another connection, and not after a restart."""
    server.units = 0
    memory = ProcessMemory()
    failure = await start(with_tools=tools(memory=memory, now=clock.now)).failure()
    assert isinstance(failure, Throttled)
    assert failure.until == midnight_after(clock.now())
    calls = len(server.calls)
    for _ in range(3):
        failure = await start(with_tools=tools(memory=memory, now=clock.now)).failure()
        assert isinstance(failure, Throttled)
    assert len(server.calls) == calls, "no call is made while the day is closed"
    server.units = 10_000
    clock.advance((failure.until - clock.now()).total_seconds())
    start(with_tools=tools(memory=memory, now=clock.now))
    await server.heard("ana")


async def test_open_chats_are_read_on_when_the_units_are_used_up(server, start):
    memory = ProcessMemory()
    heard = start(server.target("ana", Resume()), with_tools=tools(memory=memory), viewers_seconds=1000.0)
    await server.heard("ana")
    await heard.until(lambda heard: heard.of(Viewers))
    await memory.put(CLOSED, json.dumps({"until": "2199-01-01T00:00:00+00:00", "meaning": "day", "words": "used up"}))
    await server.say("ana", "still read")
    await heard.until(lambda heard: texts(heard) == ["still read"])
    calls = len(server.calls)
    await server.cut()
    assert isinstance(await heard.failure(), Throttled)
    assert len(server.calls) == calls


async def test_no_more_is_ever_spent_than_was_granted_by_however_many_at_once(server, start, clock):
    """Two collectors with one memory; the server counts for itself."""
    server.pages_per_response = 1  # every chat is opened again and again
    memory = ProcessMemory()
    both = [
        start(with_tools=tools(memory=memory, now=clock.now), units_per_day=62, reserve_units=0, broken_reads=1000)
        for _ in range(2)
    ]
    failures = [await heard.failure() for heard in both]
    assert [type(failure) for failure in failures] == [Throttled, Throttled]
    # What was paid for and broken off with the other's failure never reached the server.
    assert 10_000 - server.units <= int(await memory.get(Ledger(units_per_day=62).key(clock.now()))) <= 62


async def test_figures_stop_before_the_reserve_and_chats_are_still_opened(server, start, clock):
    """40 units, 30 of them kept (never more than half is): figures may take 20, the chats of the next broadcast the rest."""
    memory = ProcessMemory()
    watch = Watch([server.target("ana", Resume())])
    options = {"units_per_day": 40, "reserve_units": 30, "viewers_seconds": 0.01, "broken_reads": 1000}
    heard = start(watch=watch, with_tools=tools(memory=memory, now=clock.now), **options)
    await server.heard("ana")
    await memory.add(Ledger(units_per_day=40).key(clock.now()), 20)
    watch.update([server.target("ana", Resume()), server.target("bo", Resume())])
    await server.heard("bo")
    await server.say("bo", "hello")
    await heard.until(lambda heard: "hello" in texts(heard))


async def test_the_reserve_refuses_figures_and_lets_chats_pass(clock):
    memory = ProcessMemory()
    ledger = Ledger(units_per_day=100, reserve=20)
    api = Api("http://127.0.0.1:1", Secret("k"), ledger, tools(memory=memory, now=clock.now), open_seconds=1.0, proxy=None)
    await memory.add(ledger.key(clock.now()), 80)
    with pytest.raises(Refusal) as refused:
        await api.charge("videos", essential=False)
    assert refused.value.problem.meaning == "reserve"
    for _ in range(4):
        await api.charge("liveChat/messages/stream", essential=True)
    with pytest.raises(Refusal) as refused:
        await api.charge("videos", essential=True)
    assert refused.value.problem.meaning == "day"
    assert await api.left() == 0


async def test_every_call_is_paid_for_also_one_that_fails(server, start, clock):
    server.answers += [refusal(500, "backendError", "oops") for _ in range(3)]
    memory = ProcessMemory()
    await start(with_tools=tools(memory=memory, now=clock.now), broken_reads=3).failure()
    costs = sum(cost_of(path.removeprefix("/youtube/v3/")) for path, _ in server.calls)
    assert int(await memory.get(Ledger(units_per_day=1).key(clock.now()))) >= costs > 0


async def test_too_fast_closes_for_as_long_as_is_said_and_opens_again(server, start, clock):
    slow = refusal(429, "rateLimitExceeded", "slow down")
    slow.headers["Retry-After"] = "7"
    server.answers += [slow]
    failure = await start(server.target("ana", Resume()), with_tools=tools(now=clock.now)).failure()
    assert isinstance(failure, Throttled)
    assert failure.until == clock.now() + timedelta(seconds=7)


async def test_a_key_that_is_refused_needs_a_person_whatever_is_open(server, start):
    heard = start()
    await server.heard("ana")
    server.key = "another"
    await server.cut()
    failure = await heard.failure()
    assert isinstance(failure, Refused)
    assert "api_key" in failure.reason


async def test_the_key_is_in_no_failure_and_in_none_of_its_causes(server, start):
    server.answers += [refusal(500, "backendError", f"oops {server.key}") for _ in range(20)]
    seen: BaseException | None = await start(broken_reads=1).failure()
    while seen is not None:
        assert server.key not in f"{seen!r} {seen}"
        seen = seen.__cause__ or seen.__context__


async def test_removed_reaches_the_reader_as_it_is(server, start):
    heard = start()
    await server.heard("ana")
    said = await server.say("ana", "spam")
    await server.remove(said)
    await heard.until(lambda heard: [one.target for one in heard.of(Removed)] == [said.id])


@pytest.mark.parametrize(
    "pasted", ["6p_JM-I7EVg", "https://www.youtube.com/watch?v=6p_JM-I7EVg&t=3s", "https://youtu.be/6p_JM-I7EVg"]
)
def test_a_broadcast_can_be_watched_without_any_file(pasted):
    """``--watch youtube:…`` keeps the case of the id, which the connector then asks about itself."""
    _, roster = config_from_watch([f"youtube:{pasted}"])
    assert [(channel.handle, channel.native_id) for channel in roster.channels] == [("6p_JM-I7EVg", None)]
