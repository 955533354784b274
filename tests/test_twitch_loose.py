"""Twitch's lines in all kinds of logs, and its JSON as libraries and dashboards leave it, through `monitor parse twitch`."""

from __future__ import annotations

import csv
import io
import json
from functools import partial

import pytest

from connectors.connector import make_pseudonym
from connectors.twitch.alone import TOLD_TWICE
from connectors.twitch.eventsub import READ

SHOWN = make_pseudonym(b"monitor parse")
TAGS = "@badge-info=;badges=;color=#1E90FF;display-name=Zoë;emotes=;id=aa11;mod=0;room-id=7;tmi-sent-ts=1790000000001;user-id=101"
LINE = f"{TAGS} :zoe!zoe@zoe.tmi.twitch.tv PRIVMSG #ana :good evening"


@pytest.fixture
def parse(parse_capture):
    return partial(parse_capture, "twitch")


# --- lines --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before",
    ["INFO ", "DEBUG  ", "TRACE - ", "WARN [irc] ", "RECV ", "INFO 2026-01-01 00:00:00 ", "IN  ", "// ", "bot_1  | ", "1790000000001\t"],
)  # fmt: skip
def test_a_word_of_a_log_before_a_line_is_no_command(parse, before):
    [event], complaints = parse(before + LINE)
    assert (event["id"], event["text"], complaints) == ("twitch:aa11", "good evening", [])


def test_a_line_that_quotes_another_is_itself(parse):
    """A bare command is a line of its own, whatever its words look like."""
    quoting = ":bo!bo@bo.tmi.twitch.tv PRIVMSG #ana :INFO :zoe!zoe@zoe.tmi.twitch.tv PRIVMSG #ana :x"
    [event], _ = parse(quoting)
    assert event["text"].startswith("INFO :zoe")
    assert parse("PING :zoe!zoe@zoe PRIVMSG #ana :x") == ([], [])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('time=2026-01-01T00:00:00Z msg="{}" level=debug', 'say "hi"'),
        ('{{"ts"}} raw="{}"', 'say "hi"'),
        ("'{}', 'more'", "a, 'b', c"),
        ("(b'{}')", "it is"),
    ],
)
def test_of_a_quoted_line_what_stands_behind_its_quote_is_not_said(parse, written, said):
    quote = '"' if '"{}"' in written else "'"
    line = LINE.replace("good evening", said.replace(quote, f"\\{quote}")).replace("Zoë", "Zoe")
    [event], complaints = parse("read " + written.format(line))
    assert (event["text"], complaints) == (said, [])


def test_a_line_in_a_table_is_read_with_the_quotes_that_it_holds(parse):
    table = io.StringIO()
    csv.writer(table).writerow(["2026-01-01", LINE.replace("good evening", 'say "hi", now'), "ana"])
    [event], _ = parse(table.getvalue())
    assert event["text"] == 'say "hi", now'


def test_who_cheers_anonymously_is_nobody(parse):
    line = "@bits=100;display-name=AnAnonymousCheerer;id=c1;room-id=7;tmi-sent-ts=1790000000001;user-id=407665396 :ananonymouscheerer!ananonymouscheerer@ananonymouscheerer.tmi.twitch.tv PRIVMSG #ana :Anon100"
    events, _ = parse(line)
    assert [(event["kind"], event.get("author"), event.get("author_name")) for event in events] == [
        ("message", None, None), ("gift", None, None),
    ]  # fmt: skip


def test_a_message_that_a_history_says_was_deleted_is_taken_back_once(parse):
    deleted = LINE.replace("mod=0", "mod=0;rm-deleted=1;rm-received-ts=1790000000100")
    clearing = "@login=zoe;room-id=;target-msg-id=aa11;tmi-sent-ts=1790000002000 :tmi.twitch.tv CLEARMSG #ana :good evening"
    said, removed, again = parse(f"{deleted}\n{clearing}")[0]
    assert (said["kind"], removed["kind"], removed["target"]) == ("message", "removed", said["id"])
    assert again["id"] == removed["id"]


# --- what libraries make of a line --------------------------------------------------------------------------------------

TAKEN = {
    "badge-info": None, "badges": {"vip": "1"}, "display-name": "Zoë", "emotes": {"25": ["0-4"]}, "id": "aa11", "mod": False, "room-id": "7",
    "tmi-sent-ts": "1790000000001", "user-id": "101", "username": "zoe", "message-type": "chat",
}  # fmt: skip


@pytest.mark.parametrize(
    "document",
    [
        {"channel": "#ana", "userstate": TAKEN, "message": "good evening", "self": False},
        {"channel": "ana", "tags": TAKEN, "text": "good evening"},
        {"channel": "ana", "tags": {key.replace("-", "_"): value for key, value in TAKEN.items()}, "message": "good evening"},
        {"tags": TAKEN, "source": {"nick": "zoe", "host": "x"}, "command": {"command": "PRIVMSG", "channel": "#ana"}, "parameters": "good evening"},
        {"User": {"Name": "zoe"}, "Raw": LINE, "Type": 1, "Message": "good evening", "Time": "2026-09-21T14:13:20Z"},
        {"messages": [{"text": "{good} evening", "raw": LINE, "timestamp": "2026-09-21T14:13:20Z", "tags": {"id": "aa11"}, "type": 1}]},
    ],
)  # fmt: skip
def test_a_line_that_a_library_took_to_pieces_is_that_line(parse, document):
    [event], complaints = parse(document)
    [bare], _ = parse(LINE)
    assert complaints == []
    assert {**event, "received_at": ""} == {**bare, "received_at": ""}


def test_of_a_line_in_pieces_escapes_me_and_bits_are_kept(parse):
    tags = {**TAKEN, "display-name": "Z; oë", "message-type": "action", "bits": "5"}
    said, gift = parse({"channel": "#ana", "tags": tags, "message": "waves; Cheer5"})[0]
    assert (said["text"], said["author_name"], gift["amount_minor"]) == ("waves; Cheer5", "Z; oë", 5)


# --- EventSub without its envelope --------------------------------------------------------------------------------------

CHANNEL = {"broadcaster_user_id": "7", "broadcaster_user_login": "ana", "broadcaster_user_name": "Ana"}
USER = {"user_id": "101", "user_login": "zoe", "user_name": "Zoë"}
CHATTER = {"chatter_user_id": "101", "chatter_user_login": "zoe", "chatter_user_name": "Zoë"}
SAID = {
    **CHANNEL,
    **CHATTER,
    "message_id": "cc",
    "message": {"text": "good evening", "fragments": []},
    "cheer": None,
    "reply": None,
}


@pytest.mark.parametrize(
    "document",
    [
        SAID,
        {"type": "channel.chat.message", "event": SAID},
        {"subscription_type": "channel.chat.message", "event": SAID},
        {"id": "01J", "ts": "2025-06-19T15:43:39Z", "type": "message", "topic": "channel.chat.message", "data": SAID},
        {"time": 1790000000, "event": SAID},
    ],
)
def test_an_event_alone_or_beside_its_kind_is_that_event(parse, document):
    [event], complaints = parse(document)
    assert (event["id"], event["text"], event["author"], complaints) == ("twitch:cc", "good evening", SHOWN("twitch", "101"), [])


@pytest.mark.parametrize(
    ("event", "kinds"),
    [
        ({**CHATTER, "message_id": "nn", "message": {"text": "yo"}, "notice_type": "resub", "resub": {}}, ["message", "gift"]),
        ({"target_user_id": "101", "target_user_login": "zoe", "message_id": "cc"}, ["removed"]),
        ({"target_user_id": "101", "target_user_login": "zoe"}, ["removed"]),
        ({**USER, "followed_at": "2026-10-16T11:59:58Z"}, ["follow"]),
        ({**USER, "is_anonymous": False, "message": "Cheer5", "bits": 5}, ["message", "gift"]),
        ({**USER, "tier": "1000", "is_gift": False}, ["gift"]),
        ({**USER, "total": 5, "tier": "1000", "is_anonymous": False}, ["gift"]),
        ({**USER, "banned_at": "2026-10-16T11:59:58Z", "is_permanent": True}, ["removed"]),
        ({"id": "9001", "type": "live", "started_at": "2026-10-16T11:58:00Z"}, ["status"]),
        ({"level": 2, "total": 700}, ["unknown"]),
    ],
)
def test_an_event_alone_says_by_its_fields_what_it_is(parse, event, kinds):
    events, complaints = parse({**CHANNEL, **event})
    assert ([one["kind"] for one in events], complaints) == (kinds, [])


def moderated(action: str, **about: object) -> dict:
    event = {**CHANNEL, "moderator_user_id": "5", "action": action, "ban": None, "timeout": None, "delete": None, **about}
    return {"subscription": {"type": "channel.moderate", "version": "2"}, "event": event}


def test_what_moderators_did_is_taken_back_where_nothing_else_tells_it(parse):
    who = {**USER, "reason": ""}
    told = [moderated("delete", delete={**USER, "message_id": "aa11", "message_body": "x"}), moderated("ban", ban=who), moderated("timeout", timeout=who)]  # fmt: skip
    events, complaints = parse("\n".join(json.dumps(one) for one in [*told, moderated("clear"), moderated("vip"), moderated("shared_chat_delete")]))  # fmt: skip
    assert complaints == []
    assert [(one.get("target"), one.get("target_author")) for one in events] == [
        ("twitch:aa11", None), (None, SHOWN("twitch", "101")), (None, SHOWN("twitch", "101")), (None, None),
    ]  # fmt: skip
    clearing = "@login=zoe;target-msg-id=aa11;tmi-sent-ts=1790000002000 :tmi.twitch.tv CLEARMSG #ana :x"
    assert parse(clearing)[0][0]["id"] == events[0]["id"], "beside the chat it is the same removal"
    assert "channel.moderate" in TOLD_TWICE < READ


def test_a_stream_that_fell_out_of_its_answer_is_live(parse):
    row = {
        "id": "9",
        "user_id": "7",
        "user_login": "ana",
        "type": "live",
        "viewer_count": 5,
        "started_at": "2026-10-16T10:00:00Z",
    }
    assert [(one["kind"], one["broadcast"]) for one in parse(row)[0]] == [("status", "9"), ("viewers", "9")]


@pytest.mark.parametrize(("anonymous", "gift"), [("true", "true"), ("false", "false")])
def test_answers_of_yes_come_as_text_too(parse, anonymous, gift):
    cheer = {
        "subscription": {"type": "channel.cheer"},
        "event": {**CHANNEL, **USER, "is_anonymous": anonymous, "message": "", "bits": "5"},
    }
    sub = {"subscription": {"type": "channel.subscribe"}, "event": {**CHANNEL, **USER, "tier": "1000", "is_gift": gift}}
    notice = {**SAID, "chatter_is_anonymous": anonymous, "notice_type": "sub_gift", "sub_gift": {}}
    events, _ = parse(
        "\n".join(
            json.dumps(one) for one in (cheer, sub, {"subscription": {"type": "channel.chat.notification"}, "event": notice})
        )
    )
    authors = {event["name"]: event.get("author") for event in events if event["kind"] == "gift"}
    known = None if anonymous == "true" else SHOWN("twitch", "101")
    assert authors == ({"bits": None, "subgift": None} if gift == "true" else {"bits": known, "sub": known, "subgift": known})


def test_a_cheer_that_was_paid_without_bits_is_worth_its_money(parse):
    tags = "display-name=Zoë;id=p1;login=zoe;msg-id=midnightsquid;msg-param-amount=600;msg-param-currency=BRL;msg-param-exponent=2;room-id=7;tmi-sent-ts=1665339696298;user-id=101"
    [gift], _ = parse(f"@{tags} :tmi.twitch.tv USERNOTICE #ana")
    assert (gift["name"], gift["amount_minor"], gift["exponent"], gift["currency"]) == ("midnightsquid", 600, 2, "BRL")


def test_a_notice_without_tags_keeps_its_words_and_is_of_a_kind_that_nobody_knows(parse):
    said, unknown = parse(":tmi.twitch.tv USERNOTICE #ana :good evening")[0]
    assert (said["text"], "author" in said, unknown["kind"], unknown["name"]) == ("good evening", False, "unknown", "usernotice")
    assert [event["kind"] for event in parse(":tmi.twitch.tv USERNOTICE #ana")[0]] == ["unknown"]


def test_a_number_with_a_point_and_a_nought_is_that_number(parse):
    cheer = {
        "subscription": {"type": "channel.cheer"},
        "event": {**CHANNEL, **USER, "user_id": 101.0, "message": "", "bits": 5.0},
    }
    [gift], _ = parse(cheer)
    assert (gift["amount_minor"], gift["author"]) == (5, SHOWN("twitch", "101"))
    row = {"id": 9.0, "user_id": 7.0, "user_login": "ana", "type": "live", "viewer_count": 5.0}
    assert [(one["broadcast"], one.get("viewers")) for one in parse({"data": [row]})[0]] == [("9", None), ("9", 5)]
    assert parse({"subscription": {"type": "channel.cheer"}, "event": {**CHANNEL, **USER, "bits": 5.5}})[1] == [
        "line 1: unreadable: bad_number"
    ]


@pytest.mark.parametrize("metadata", [None, {}, {"message_id": "d1", "message_timestamp": "2026-10-16T11:59:59.9Z"}])
def test_an_envelope_that_lost_what_it_says_still_holds_its_event(parse, metadata):
    [event], complaints = parse(
        {"metadata": metadata, "payload": {"subscription": {"type": "channel.chat.message"}, "event": SAID}}
    )
    assert (event["id"], complaints) == ("twitch:cc", [])
    assert not metadata or event["at"] == "2026-10-16T11:59:59.900000Z"


def test_a_refusal_of_the_login_is_said_to_be_one(parse):
    assert parse({"status": 401, "message": "invalid access token"}) == ([], ["line 1: unreadable: api_error"])


@pytest.mark.parametrize("login", ["ananonymouscheerer", "AnAnonymousGifter"])
def test_the_accounts_behind_which_twitch_hides_people_are_nobody_to_eventsub_either(parse, login):
    chatter = {"chatter_user_id": "407665396", "chatter_user_login": login, "chatter_user_name": login}
    told = [
        {"subscription": {"type": "channel.chat.message"}, "event": {**SAID, **chatter, "cheer": {"bits": 5}}},
        {
            "subscription": {"type": "channel.cheer"},
            "event": {**CHANNEL, "broadcaster_user_login": "bo", "user_id": "407665396", "user_login": login, "bits": 5},
        },
    ]
    events, complaints = parse("\n".join(json.dumps(one) for one in told))
    assert ([(event["kind"], event.get("author"), event.get("author_name")) for event in events], complaints) == (
        [("message", None, None), ("gift", None, None), ("gift", None, None)], [],
    )  # fmt: skip
