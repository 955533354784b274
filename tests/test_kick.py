"""Kick: each payload gives exactly its event, nothing unsigned or of others comes in, and both sources together count once."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from fake_kick import FakeKick, public_pem, signed
from fakes import Faults
from hypothesis import given
from hypothesis import strategies as st
from reading import read

from connectors.connector import (
    Dropped,
    Health,
    Mark,
    Refused,
    Request,
    Resume,
    Secret,
    Target,
    Throttled,
    Tools,
    Unreadable,
    Watch,
    make_pseudonym,
)
from connectors.discovery import Account, Known
from connectors.event import Follow, Gap, Gift, Message, Removed, Share, Status, Unknown
from connectors.kick import PUBLIC_KEY, Kick, Options, api
from connectors.kick.answers import parse_any
from connectors.kick.channel import Ids, channel_keys, ids_of
from connectors.kick.discover import KickChannels
from connectors.kick.frames import parse_frame
from connectors.kick.hooks import KickHooks, public_key
from connectors.kick.parse import Context, plain
from connectors.kick.pusher import Session, closing
from connectors.rest import Reply, client, send
from monitor.asking import Asking

CAPTURES = Path(__file__).parent / "captures" / "kick"
NOW = datetime(2026, 10, 17, 12, 30, tzinfo=UTC)
PSEUDONYM = make_pseudonym(b"test key")
TOOLS = Tools(pseudonym=PSEUDONYM, now=lambda: NOW, dice=random.Random(1))
OURS = {"70001": "kick:ana", "chatroom:668": "kick:ana"}
ANYBODY = Context(NOW, PSEUDONYM, None)


def capture(name):
    return (CAPTURES / f"{name}.json").read_bytes().rstrip()


def one(name):
    (event,) = Kick.parse(capture(name), TOOLS, livestreams=OURS)
    return event


def frames():
    lines = (CAPTURES / "pusher.txt").read_bytes().splitlines()
    return {orjson.loads(line)["event"].rpartition("\\")[2]: line for line in lines}


def moment(minute, second, micro=0):
    return datetime(2026, 10, 17, 12, minute, second, micro, tzinfo=UTC)


# --- webhooks ---------------------------------------------------------------------------------------------------------


def test_a_chat_message_with_its_emotes_as_words():
    assert one("chat") == Message(
        id="kick:6e7a6a5c-0d5c-4d3a-9b61-5a0f5b4a1c01", platform="kick", livestream="kick:ana", at=moment(0, 1), received_at=NOW,
        author=PSEUDONYM("kick", "987654"), author_name="Zoë", text="the new one HYPERCLAP 奇瑞",
        reply_to="kick:6e7a6a5c-0d5c-4d3a-9b61-5a0f5b4a1c00",
    )  # fmt: skip


def test_both_sources_give_the_same_message():
    """Also the same author: a ban by webhook takes back what came by the socket."""
    (by_socket,) = Kick.parse(frames()["ChatMessageEvent"], TOOLS, livestreams=OURS)
    assert by_socket == one("chat")


def test_kicks_are_a_gift_with_its_value_and_the_words_with_it():
    gift, words = Kick.parse(capture("kicks"), TOOLS, livestreams=OURS)
    assert (gift.name, gift.count, gift.amount_minor, gift.exponent, gift.currency) == ("Rage Quit", 1, 500, 0, "KICKS")
    assert gift.at == moment(0, 5, 634000)
    assert (words.text, words.author) == ("go!", gift.author)
    assert words.id == f"{gift.id}:words"


def test_subscriptions_are_gifts_without_a_value():
    new, renewed, gifted = one("subscription_new"), one("subscription_renewal"), one("subscription_gifts")
    assert [gift.name for gift in (new, renewed, gifted)] == ["subscription.new", "subscription.renewal", "subscription.gifts"]
    assert [gift.count for gift in (new, renewed, gifted)] == [1, 1, 3]
    assert {gift.currency for gift in (new, renewed, gifted)} == {None}
    assert new.author == renewed.author == PSEUDONYM("kick", "987656")
    assert (gifted.author, gifted.author_name) == (None, None), "anonymous"


def test_a_broadcast_is_its_channel_and_its_start():
    live, ended = one("live"), one("ended")
    assert (live.state, live.at, ended.state, ended.at) == (
        "live",
        moment(0, 0),
        "ended",
        datetime(2026, 10, 17, 13, 30, tzinfo=UTC),
    )
    assert live.broadcast == ended.broadcast == f"70001:{int(moment(0, 0).timestamp())}"
    assert live.id != ended.id


def test_a_ban_takes_back_ten_minutes_of_its_author():
    removed = one("banned")
    assert isinstance(removed, Removed)
    assert (removed.target_author, removed.author) == (one("chat").author, None)
    assert (removed.from_, removed.to, removed.at) == (moment(10, 0), moment(20, 0), moment(20, 0))


def test_titles_and_channel_points_are_not_counted():
    assert Kick.parse(capture("metadata"), TOOLS, livestreams=OURS) == []
    assert Kick.parse(capture("redemption"), TOOLS, livestreams=OURS) == []


def test_a_webhook_with_its_headers_keeps_its_delivery_id():
    follow = one("with_headers")
    assert isinstance(follow, Follow)
    assert follow.id == "kick:channel.followed:01JQR5KV0QC94HMETWYNBWRW4Z"
    assert follow.at == NOW, "Kick states no time of a follow"


def test_channels_of_others_are_not_read():
    for name in ("chat", "followed", "kicks", "live", "banned"):
        assert Kick.parse(capture(name), TOOLS, livestreams={"1": "kick:x"}) == []


def test_a_channel_is_known_by_its_slug_until_its_id_is():
    (event,) = Kick.parse(capture("chat"), TOOLS, livestreams=channel_keys({"@AnaDrives": "kick:ana"}))
    assert event.livestream == "kick:ana"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"content": None}, "missing_text"), ({"message_id": ""}, "missing_id"), ({"broadcaster": None}, "missing_broadcaster"),
        ({"broadcaster": {}}, "missing_broadcaster"), ({"sender": 5}, "missing_author"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(change, reason):
    with pytest.raises(Unreadable) as raised:
        Kick.parse(orjson.dumps({**orjson.loads(capture("chat")), **change}), TOOLS)
    assert raised.value.reason == reason


def test_ids_written_as_texts_are_the_same_person():
    body = orjson.loads(capture("chat"))
    body["sender"]["user_id"] = "987654"
    (event,) = Kick.parse(orjson.dumps(body), TOOLS, livestreams=OURS)
    assert event.author == one("chat").author


@given(st.text(max_size=80))
def test_text_without_emotes_stays_as_it_is(text):
    if "[emote:" not in text:
        assert plain(text) == text


@given(
    st.lists(
        st.one_of(st.just("[emote:1:KEKW]"), st.just("[emote:"), st.just("]"), st.just("[emote:x:y]"), st.text(max_size=5)),
        max_size=12,
    )
)
def test_only_whole_emotes_are_replaced(parts):
    text = "".join(parts)
    expected = text.replace("[emote:1:KEKW]", "KEKW")
    if text.count("[emote:") == text.count("[emote:1:KEKW]"):
        assert plain(text) == expected


# --- the receiver -----------------------------------------------------------------------------------------------------


def receiver(**options):
    return KickHooks(Options(public_key=public_pem(), **options), {"70001/668": "kick:ana"}, TOOLS)


def test_a_signed_webhook_is_read_under_its_delivery_id():
    answer = receiver().receive(signed("kicks.gifted", capture("kicks"), at=NOW, message_id="01ULID"), NOW)
    assert (answer.status, answer.reason) == (200, "")
    assert [event.id for event in answer.events] == ["kick:kicks.gifted:01ULID", "kick:kicks.gifted:01ULID:words"]
    assert {event.livestream for event in answer.events} == {"kick:ana"}


def test_a_repeated_delivery_has_the_same_ids():
    hooks = receiver()
    request = signed("chat.message.sent", capture("chat"), at=NOW)
    assert hooks.receive(request, NOW).events == hooks.receive(request, NOW).events != ()


@pytest.mark.parametrize(("name", "what"), [("live", "began"), ("ended", "ended")])
def test_who_begins_and_ends_is_a_hint_for_discovery_under_the_id_that_discovery_knows(name, what):
    answer = receiver().receive(signed("livestream.status.updated", capture(name), at=NOW), NOW)
    (event,), (hint,) = answer.events, answer.hints
    assert (hint.what, hint.native_id, hint.broadcast, hint.at) == (what, "70001/668", event.broadcast, NOW)
    assert hint.broadcast == "70001:1792238400"


def test_nothing_else_is_a_hint_and_a_channel_without_an_id_cannot_be_asked_about():
    assert receiver().receive(signed("chat.message.sent", capture("chat"), at=NOW), NOW).hints == ()
    hooks = KickHooks(Options(public_key=public_pem()), {"anadrives": "kick:ana"}, TOOLS)
    answer = hooks.receive(signed("livestream.status.updated", capture("live"), at=NOW), NOW)
    assert (len(answer.events), answer.hints) == (1, ())


def test_any_change_breaks_the_signature():
    hooks, request = receiver(), signed("chat.message.sent", capture("chat"), at=NOW)
    headers = dict(request.headers)
    changed = [
        dataclasses.replace(request, body=request.body + b" "),
        dataclasses.replace(request, headers={**headers, "kick-event-message-id": "01JQR5KV0QC94HMETWYNBWRW4X"}),
        dataclasses.replace(request, headers={**headers, "kick-event-message-timestamp": "2026-10-17T12:30:01Z"}),
        dataclasses.replace(request, headers={**headers, "kick-event-signature": "AAAA"}),
        dataclasses.replace(request, headers={**headers, "kick-event-signature": "no base64 é"}),
    ]
    for one_changed in changed:
        answer = hooks.receive(one_changed, NOW)
        assert (answer.status, answer.reason, answer.events) == (403, "bad_signature", ())


def test_another_key_signs_nothing_for_us():
    hooks = KickHooks(Options(), {"70001": "kick:ana"}, TOOLS)
    answer = hooks.receive(signed("chat.message.sent", capture("chat"), at=NOW), NOW)
    assert (answer.status, answer.reason) == (403, "bad_signature")


@pytest.mark.parametrize(("seconds", "status"), [(-301, 403), (-299, 200), (0, 200), (299, 200), (301, 403)])
def test_five_minutes_is_the_window(seconds, status):
    request = signed("chat.message.sent", capture("chat"), at=NOW + timedelta(seconds=seconds))
    answer = receiver().receive(request, NOW)
    assert answer.status == status
    assert bool(answer.events) == (status == 200)


def test_a_channel_that_is_not_ours_is_ignored_although_kick_signed_it():
    """One key signs for all apps: what was delivered to another app verifies here."""
    body = orjson.loads(capture("chat"))
    body["broadcaster"] |= {"user_id": 4809577, "channel_slug": "other"}
    answer = receiver().receive(signed("chat.message.sent", orjson.dumps(body), at=NOW), NOW)
    assert (answer.status, answer.reason, answer.events) == (200, "not_ours", ())


def test_the_unsigned_type_must_fit_the_signed_body():
    answer = receiver().receive(signed("kicks.gifted", capture("chat"), at=NOW), NOW)
    assert (answer.status, answer.reason) == (400, "type_does_not_fit")


def test_a_type_that_we_do_not_know_is_counted():
    answer = receiver().receive(signed("channel.hype.train", capture("followed"), at=NOW), NOW)
    (event,) = answer.events
    assert (answer.status, event.name) == (200, "channel.hype.train")
    assert isinstance(event, Unknown)


def test_what_is_no_webhook_of_kick_is_refused():
    hooks = receiver()
    assert hooks.receive(Request(body=b"{}"), NOW).reason == "missing_header"
    assert hooks.receive(Request(body=b"", method="GET"), NOW).status == 405
    assert hooks.receive(Request(body=b"x" * 2_000_000), NOW).status == 413
    answer = hooks.receive(signed("chat.message.sent", b"\xff not json", at=NOW), NOW)
    assert (answer.status, answer.reason) == (200, "not_json"), "refusing would only make Kick send it again"


def test_a_changed_roster_holds_at_once():
    hooks, request = receiver(), signed("chat.message.sent", capture("chat"), at=NOW)
    assert hooks.receive(request, NOW).events
    hooks.directory = {}
    assert hooks.receive(request, NOW).reason == "not_ours"


@given(st.binary(max_size=60), st.dictionaries(st.sampled_from(["kick-event-message-id", "kick-event-message-timestamp", "kick-event-signature", "kick-event-type"]), st.text(max_size=20)))  # fmt: skip
def test_no_request_makes_the_receiver_raise(body, headers):
    assert receiver().receive(Request(body=body, headers=headers), NOW).status in {400, 403}


def test_the_documented_key_is_a_key_and_a_wrong_one_is_said():
    assert public_key(PUBLIC_KEY).key_size == 2048
    with pytest.raises(ValueError, match="copy it whole"):
        public_key("nonsense")


# --- the socket's frames ----------------------------------------------------------------------------------------------


def test_each_frame_of_the_socket_has_its_meaning():
    kinds = {name: [type(event) for event in parse_frame(line, ANYBODY)] for name, line in frames().items()}
    assert kinds == {
        "pusher:connection_established": [], "pusher_internal:subscription_succeeded": [], "UserUnbannedEvent": [], "PollUpdateEvent": [],
        "ChatMessageEvent": [Message], "MessageDeletedEvent": [Removed], "UserBannedEvent": [Removed], "ChatroomClearEvent": [Removed],
        "SubscriptionEvent": [Gift], "GiftedSubscriptionsEvent": [Gift], "StreamHostEvent": [Share], "KicksGifted": [Gift],
        "StreamerIsLive": [Status], "StopStreamBroadcast": [Status], "SomethingNewEvent": [Unknown],
    }  # fmt: skip


def test_a_deletion_names_the_message_of_either_source():
    (removed,) = Kick.parse(frames()["MessageDeletedEvent"], TOOLS, livestreams=OURS)
    assert removed.target == one("chat").id


def test_gifts_of_the_socket_are_left_out_when_the_webhooks_bring_them():
    beside = Context(NOW, PSEUDONYM, None, counts_gifts=False)
    for name in ("SubscriptionEvent", "GiftedSubscriptionsEvent", "KicksGifted"):
        assert parse_frame(frames()[name], beside) == []
        assert len(parse_frame(frames()[name], ANYBODY)) == 1


def test_the_names_of_a_channel_are_told_apart():
    target = Target(livestream="kick:ana", handle="@AnaDrives", native_id="70001/668")
    assert ids_of(target) == Ids("anadrives", "70001", "668")
    assert channel_keys({"70001/668": "kick:ana", "bo": "kick:bo"}) == {
        "70001": "kick:ana",
        "chatroom:668": "kick:ana",
        "bo": "kick:bo",
    }


# --- the session ------------------------------------------------------------------------------------------------------


NEW = Resume()


def session(*, alone=True, resume=NEW):
    made = Session(PSEUDONYM, 0.0, answer_seconds=10.0, mark_seconds=2.0, alone=alone)
    made.update({"668": Target(livestream="kick:ana", handle="ana", native_id="70001/668", resume=resume)})
    return made


def hello(made, mono=1.0):
    made.receive(frames()["pusher:connection_established"], mono, NOW)
    return made.receive(frames()["pusher_internal:subscription_succeeded"], mono, NOW)


def test_silence_is_asked_about_and_then_given_up():
    made = session()
    hello(made)
    made.out.clear()
    for mono in range(2, 121):
        made.tick(float(mono), NOW)
    assert made.out == []
    made.tick(121.0, NOW)
    assert [orjson.loads(text)["event"] for text in made.out] == ["pusher:ping"]
    made.tick(130.9, NOW)
    assert made.failure is None
    made.tick(131.0, NOW)
    assert isinstance(made.failure, Dropped)


def test_a_pong_is_an_answer():
    made = session()
    hello(made)
    made.tick(121.0, NOW)
    made.receive(b'{"event":"pusher:pong","data":"{}"}', 122.0, NOW)
    made.tick(140.0, NOW)
    assert made.failure is None


def test_no_greeting_is_given_up():
    made = session()
    made.tick(10.0, NOW)
    assert isinstance(made.failure, Dropped)


def test_the_servers_ping_is_answered():
    made = session()
    hello(made)
    made.out.clear()
    made.receive(b'{"event":"pusher:ping","data":{}}', 2.0, NOW)
    assert [orjson.loads(text)["event"] for text in made.out] == ["pusher:pong"]


def test_subscribing_waits_for_the_greeting():
    made = session()
    assert made.out == []
    hello(made)
    assert orjson.loads(made.out[0]) == {"event": "pusher:subscribe", "data": {"auth": "", "channel": "chatrooms.668.v2"}}


def test_what_was_missed_is_a_gap_only_when_nobody_else_brings_it():
    away = Resume(covered_until=NOW - timedelta(minutes=3))
    assert [type(item) for item in hello(session(resume=away))] == [Health, Gap]
    assert [type(item) for item in hello(session(resume=away, alone=False))] == [Health]
    assert [type(item) for item in hello(session())] == [Health]


@pytest.mark.parametrize(
    ("code", "failure"),
    [(4001, Refused), (4004, Refused), (4099, Refused), (4100, Throttled), (4199, Throttled), (4200, Dropped), (4201, Dropped)],
)
def test_close_codes(code, failure):
    assert type(closing(code, NOW)) is failure


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(sorted(frames().values()))), max_size=20))
def test_no_frame_makes_the_session_raise(raws):
    made = session()
    for number, raw in enumerate(raws):
        made.receive(raw, float(number), NOW)
        made.tick(float(number), NOW)


# --- the API ----------------------------------------------------------------------------------------------------------

TOKEN = api.Token(value=Secret("t0ken"), until=NOW + timedelta(days=1))


DISCOVER = KickChannels(Options(client_id="app", client_secret=Secret("s3cret")))


def test_status_is_asked_fifty_at_a_time_and_slugs_one_by_one():
    known = [Known(native_id=str(n), handle=f"c{n}") for n in range(1, 121)]
    asked = DISCOVER.discover(known, NOW, budget=9)
    assert [len(question.about) for question in asked] == [50, 50, 20]
    assert [question.ask.url.count("broadcaster_user_id=") for question in asked] == [50, 50, 20]
    assert len(DISCOVER.discover(known, NOW, budget=2)) == 2
    assert [question.ask.url for question in DISCOVER.resolve(["@Ana", "b c"])] == [
        "https://api.kick.com/public/v1/channels?slug=ana", "https://api.kick.com/public/v1/channels?slug=b%20c",
    ]  # fmt: skip


def answer(*rows):
    return orjson.dumps({"data": list(rows), "message": "OK"})


LIVE = {"is_live": True, "start_time": "2026-10-17T12:00:00Z", "viewer_count": 41}


def test_a_live_channel_has_the_broadcast_of_the_webhook():
    (question,) = DISCOVER.discover(
        [Known(native_id="70001/668", handle="ana"), Known(native_id="7", handle="bo")], NOW, budget=1
    )
    body = answer({"broadcaster_user_id": 70001, "slug": "ana", "stream_title": "Summit", "stream": LIVE})
    ana, bo = DISCOVER.read_status(question, body)
    assert (ana.native_id, ana.viewers, ana.broadcasts[0].title) == ("70001/668", 41, "Summit")
    assert ana.broadcasts[0].native_id == one("live").broadcast
    assert (bo.native_id, bo.broadcasts, bo.viewers) == ("7", (), None), "not in the answer: offline"


def test_an_unknown_slug_is_no_account_and_no_failure():
    (question,) = DISCOVER.resolve(["nobody"])
    assert DISCOVER.says_nothing_there(question, Reply(status=400))
    assert not DISCOVER.says_nothing_there(question, Reply(status=500))
    assert not DISCOVER.says_nothing_there(DISCOVER.recheck(["1", "2"])[0], Reply(status=400))
    assert DISCOVER.read_resolved(question, b"") == [Account(asked="nobody", native_id=None)]


def test_a_rename_is_seen_by_id_and_the_chatroom_stays():
    (question,) = DISCOVER.recheck(["70001/668", "9"])
    renamed, gone = DISCOVER.read_resolved(question, answer({"broadcaster_user_id": 70001, "slug": "ana-new"}))
    assert (renamed.asked, renamed.native_id, renamed.handle) == ("70001/668", "70001/668", "ana-new")
    assert gone.native_id is None
    (question,) = DISCOVER.resolve(["@Ana"])
    (ana,) = DISCOVER.read_resolved(question, answer({"broadcaster_user_id": 70001, "slug": "ana"}))
    assert (ana.asked, ana.native_id) == ("@Ana", "70001")


def test_a_token_is_given_back_before_it_ends():
    token = DISCOVER.read_token(b'{"access_token":"t","token_type":"Bearer","expires_in":3600}', NOW)
    assert token.expires_at == NOW + timedelta(minutes=55)
    assert KickChannels.missing(Options()) == ("client_id", "client_secret")


def test_what_discovery_is_refused_is_said_in_words():
    refused = DISCOVER.failure(Reply(status=401, body=b'{"error":"invalid_client"}'), NOW)
    assert isinstance(refused, Refused)
    assert "client_id and client_secret" in refused.reason
    assert isinstance(DISCOVER.failure(Reply(status=429), NOW), Throttled)


def test_no_request_shows_its_token():
    for ask in (api.signed(api.slug_ask("ana"), TOKEN), DISCOVER.enter(), TOKEN):
        assert "t0ken" not in repr(ask)
        assert "s3cret" not in repr(ask)


def test_an_offline_channel_has_no_viewers_and_no_start():
    stream = {"is_live": False, "start_time": "0001-01-01T00:00:00Z", "viewer_count": 0}
    rows = [
        {"broadcaster_user_id": 7, "slug": "Ana", "stream": stream},
        {"slug": "no id"},
        {"broadcaster_user_id": 8, "stream": None},
    ]
    ana, eight = api.read_channels(orjson.dumps({"data": rows}))
    assert (ana.user_id, ana.slug, ana.live, ana.viewers, ana.started_at) == ("7", "ana", False, None, None)
    assert (eight.user_id, eight.live) == ("8", False)


@given(st.binary(max_size=80))
def test_answers_are_unreadable_at_worst(body):
    for reader in (api.read_channels, api.read_subscriptions, api.read_refusals):
        with contextlib.suppress(Unreadable):  # a few of them are answers: b'{"data":[]}'
            assert isinstance(reader(body), list)


# --- against the fake -------------------------------------------------------------------------------------------------


def made(server, options, **resumes):
    targets = [server.target(handle, resumes.get(handle, Resume())) for handle in server.handles]
    return Kick(options, Watch(targets), Tools(pseudonym=PSEUDONYM, dice=random.Random(1)))


def healthy(items):
    return {item.livestream for item in items if isinstance(item, Health) and item.state == "live"} == {
        "kick:ana",
        "kick:bo",
        "kick:cy",
    }


async def test_all_events_of_all_channels_are_subscribed():
    async with FakeKick() as server:
        await read(made(server, server.official()), healthy)
        assert server.subscribed == {server.user(handle): set(api.EVENTS) for handle in server.handles}
        assert server.tokens == 1


@pytest.mark.parametrize("pusher", [False, True])
async def test_subscriptions_that_kick_ended_are_made_again(pusher):
    """Also when the socket has marks due all the while."""
    async with FakeKick() as server:
        options = server.official(subscriptions_seconds=0.1, mark_every_seconds=0.02, pusher=pusher, pusher_url=server.url)
        reader = asyncio.create_task(read(made(server, options), lambda _: False))
        await server.until(lambda: len(server.subscribed) == 3)
        server.subscribed.clear()
        await server.until(lambda: server.subscribed == {server.user(handle): set(api.EVENTS) for handle in server.handles})
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader


async def test_a_channel_added_while_running_is_subscribed_at_once():
    async with FakeKick() as server:
        watch = Watch([server.target("ana", Resume())])
        connector = Kick(server.official(), watch, Tools(pseudonym=PSEUDONYM))
        reader = asyncio.create_task(read(connector, lambda items: any(item.livestream == "kick:bo" for item in items)))
        await server.until(lambda: 70001 in server.subscribed)
        watch.update([server.target("ana", Resume()), server.target("bo", Resume())])
        await reader
        assert 70002 in server.subscribed


async def test_slugs_are_resolved_and_an_unknown_one_is_refused_without_harm():
    async with FakeKick() as server:
        targets = [Target(livestream=f"kick:{slug}", handle=slug) for slug in ("ana", "nobody")]
        connector = Kick(server.official(), Watch(targets), Tools(pseudonym=PSEUDONYM))
        items = await read(connector, lambda items: {getattr(item, "state", "") for item in items} >= {"live", "refused"})
        states = {item.livestream: item.state for item in items if isinstance(item, Health)}
        assert states == {"kick:ana": "live", "kick:nobody": "refused"}
        assert sum("slug=" in line for line in server.asked) == 2


async def test_a_token_that_kick_forgot_is_renewed_once():
    async with FakeKick() as server:
        connector = made(server, server.official())
        connector._desk._app._token = api.Token(value=Secret("app-token-0"), until=datetime.now(UTC) + timedelta(days=1))
        server.answer_next = [(401, {})]
        await read(connector, healthy)
        assert server.tokens == 1


async def test_a_token_that_kick_forgot_is_renewed_before_a_slug_is_asked_for_too():
    """All connections have the same one, so nobody would get any further with it."""
    async with FakeKick() as server:
        connector = Kick(server.official(), Watch([Target(livestream="kick:ana", handle="ana")]), Tools(pseudonym=PSEUDONYM))
        connector._desk._app._token = api.Token(value=Secret("app-token-0"), until=datetime.now(UTC) + timedelta(days=1))
        server.answer_next = [(401, {})]
        await read(connector, lambda items: any(isinstance(item, Health) and item.state == "live" for item in items))
        assert server.tokens == 1


async def test_all_connections_of_an_app_have_one_token_and_read_the_list_of_all_subscriptions_once():
    """Each of a hundred channels, they would read the list of ten thousand a hundred times every five minutes."""
    async with FakeKick() as server:
        tools, options = Tools(pseudonym=PSEUDONYM), server.official()
        for handle in server.handles:
            await read(Kick(options, Watch([server.target(handle, Resume())]), tools), bool)
        assert server.subscribed == {server.user(handle): set(api.EVENTS) for handle in server.handles}
        assert (server.tokens, sum(line.startswith("GET") and "subscriptions" in line for line in server.asked)) == (1, 1)
        await read(Kick(options, Watch([server.target("ana", Resume())]), Tools(pseudonym=PSEUDONYM)), bool)
        assert server.tokens == 2  # of another process


@pytest.mark.parametrize(
    ("status", "headers", "failure"), [(500, {}, Dropped), (429, {"Retry-After": "120"}, Throttled), (403, {}, Refused)]
)
async def test_each_answer_of_the_api_is_one_failure(status, headers, failure):
    async with FakeKick() as server:
        server.answer_next = [(status, headers)]
        with pytest.raises(failure):
            await read(made(server, server.official()), lambda _: False)


async def test_beside_the_socket_one_failed_round_ends_nothing():
    async with FakeKick() as server:
        server.answer_next = [(500, {})]
        connector = made(server, dataclasses.replace(server.official(), pusher=True, pusher_url=server.url))
        reader = asyncio.create_task(read(connector, lambda items: any(isinstance(item, Message) for item in items)))
        for handle in server.handles:
            await server.heard(handle)
        await server.until(lambda: not server.answer_next)
        await server.say("ana", "hi")
        assert healthy(await reader)


async def test_without_app_and_socket_it_says_what_is_needed():
    with pytest.raises(Refused, match="client_id and client_secret"):
        await read(Kick(Options(), Watch([Target(livestream="kick:a", handle="a")]), TOOLS), lambda _: False)


async def test_without_app_a_channel_needs_its_chatroom_id():
    async with FakeKick() as server:
        targets = [server.target("ana", Resume()), Target(livestream="kick:bo", handle="bo", native_id="70002")]
        items = await read(
            Kick(server.options(), Watch(targets), Tools(pseudonym=PSEUDONYM)),
            lambda items: any(isinstance(item, Health) and item.state == "live" for item in items),
        )
        assert [(item.livestream, "chatroom id" in item.reason) for item in items if getattr(item, "state", "") == "refused"] == [
            ("kick:bo", True)
        ]


async def test_a_channel_added_while_running_is_read_and_one_taken_away_is_left():
    async with FakeKick() as server:
        watch = Watch([server.target("ana", Resume())])
        connector = Kick(server.options(), watch, Tools(pseudonym=PSEUDONYM))
        reader = asyncio.create_task(read(connector, lambda items: any(getattr(item, "text", "") == "new" for item in items)))
        await server.heard("ana")
        watch.update([server.target("bo", Resume())])
        await server.heard("bo")
        await server.until(lambda: any(frame["event"] == "pusher:unsubscribe" for frame in server.said))
        await server.say("ana", "old")
        await server.say("bo", "new")
        items = await reader
        assert [item.text for item in items if isinstance(item, Message)] == ["new"]


async def test_the_close_code_of_the_socket_is_understood():
    async with FakeKick() as server:
        reader = asyncio.create_task(read(made(server, server.options()), lambda _: False))
        await server.heard("ana")
        for socket in server.sockets:
            await socket.close(4100)
        with pytest.raises(Throttled):
            await reader


async def test_the_last_mark_comes_before_the_failure():
    async with FakeKick() as server:
        items = []

        async def run():
            async with aclosing(made(server, dataclasses.replace(server.options(), mark_every_seconds=60.0)).events()) as stream:
                async for item in stream:
                    items.append(item)  # noqa: PERF401 - what came before the failure is kept

        reader = asyncio.create_task(run())
        for handle in server.handles:
            await server.heard(handle)
        await server.say("ana", "hi")
        await server.until(lambda: True)
        await server.cut()
        with pytest.raises(Dropped):
            await reader
        assert isinstance(items[-1], Mark)


async def test_no_secret_of_the_app_is_said_when_it_is_refused():
    async with FakeKick(Faults(refuse=True)) as server:
        connector = made(server, server.official())
        with pytest.raises(Refused) as refused:
            await read(connector, lambda _: False)
        assert "kick-app-secret" not in f"{refused.value!r} {connector.opts!r} {connector!r}"


def test_every_capture_is_readable():
    for path in CAPTURES.iterdir():
        for line in path.read_bytes().splitlines():
            parse_any(line, ANYBODY)


# --- discovery against the fake ---------------------------------------------------------------------------------------


async def test_discovery_logs_in_resolves_and_sees_who_is_live():
    async with FakeKick() as server, client() as session:
        options, server.live = server.official(), {70002: 12}
        asking = Asking(KickChannels(options), options, lambda ask: send(session, ask), Tools(pseudonym=PSEUDONYM))
        accounts = {}
        for question in asking.discoverer.resolve(["ana", "nobody", "bo"]):
            (account,) = asking.discoverer.read_resolved(question, await asking.ask(question))
            accounts[account.asked] = account.native_id
        assert accounts == {"ana": "70001", "nobody": None, "bo": "70002"}
        known = [Known(native_id=native_id, handle="") for native_id in ("70001", "70002")]
        (question,) = asking.discoverer.discover(known, NOW, budget=1)
        ana, bo = asking.discoverer.read_status(question, await asking.ask(question))
        assert (ana.broadcasts, bo.viewers, bo.broadcasts[0].started_at) == ((), 12, server.started_at)
        assert server.tokens == 1
