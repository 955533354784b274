"""Twitch chat: which line becomes which event, and what a session says, promises and admits."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fake_twitch import FakeTwitch
from hypothesis import given
from hypothesis import strategies as st
from reading import of, read, texts

from connectors.connector import Dropped, Health, Mark, Refused, Resume, Target, Tools, Unreadable, Watch, make_pseudonym
from connectors.event import Event, Gap, Gift, Message, Removed, Share, Unknown, from_milliseconds
from connectors.twitch import Options, Twitch
from connectors.twitch.parse import REASONS, Context, parse_line, parse_tags, unescape
from connectors.twitch.session import Rooms, Session

NOW = datetime(2026, 10, 16, 12, 0, 0, 500_000, tzinfo=UTC)
PSEUDONYM = make_pseudonym(b"a key")
CONTEXT = Context(NOW, PSEUDONYM, None)
CAPTURES = Path(__file__).parent / "captures" / "twitch"


def capture(name: str) -> list[str]:
    return CAPTURES.joinpath(name).read_text(encoding="utf-8").splitlines()


def events(line: str, livestreams=None) -> list[Event]:
    return parse_line(line, Context(NOW, PSEUDONYM, livestreams))


def number(n: int, family: str = "0a") -> str:
    return f"twitch:{family}000000-0000-4000-8000-{n:012d}"


# --- chat -------------------------------------------------------------------------------------------------------------


def test_message_whole():
    [message] = events(capture("chat.txt")[0])
    assert message == Message(
        id=number(1),
        platform="twitch",
        livestream="twitch:ana",
        at=from_milliseconds(1790000000001),
        received_at=NOW,
        author=PSEUDONYM("twitch", "101"),
        author_name="Zoë",
        text="Olá da fábrica 奇瑞 👋",
        url="https://www.twitch.tv/ana",
    )


def test_bits_are_a_gift_beside_the_message():
    message, gift = events(capture("chat.txt")[1])
    assert (message.id, message.text, message.author_name) == (number(2), "Cheer150 great robot", "bo_2")
    assert gift == Gift(
        id=f"{number(2)}:bits",
        platform="twitch",
        livestream="twitch:ana",
        at=message.at,
        received_at=NOW,
        author=message.author,
        author_name="bo_2",
        name="bits",
        amount_minor=150,
        currency="BITS",
    )


def test_reply_names_the_message_it_answers():
    [message] = events(capture("chat.txt")[2])
    assert message.reply_to == number(1)


def test_me_is_unwrapped():
    [message] = events(capture("chat.txt")[3])
    assert message.text == "waves"


def test_paid_pin_is_money_in_whole_numbers():
    _, gift = events(capture("chat.txt")[4])
    assert (gift.name, gift.amount_minor, gift.exponent, gift.currency) == ("pinned-chat-paid", 1400, 2, "NOK")


def test_shared_chat_counts_only_where_it_was_written():
    assert events(capture("chat.txt")[5]) == []
    assert [event.text for event in events(capture("chat.txt")[6])] == ["written here"]


def test_ordinary_irc_server_gives_time_and_id():
    [message] = events(capture("chat.txt")[7])
    assert message.id == "twitch:97K~1790000000~0", "the server's id, never the one a client chose"
    assert message.at == datetime(2026, 9, 21, 13, 33, 20, 123_000, tzinfo=UTC)
    assert message.livestream == "twitch:ana"
    assert message.author == PSEUDONYM("twitch", "feeder")


def test_line_without_id_and_time_gets_both():
    line = ":ana!ana@host PRIVMSG #ana :hello"
    [message] = events(line)
    assert message.at == NOW
    assert message.id.startswith("twitch:made:")
    assert [message] == events(line)
    [other] = events(line + "!")
    assert other.id != message.id


def test_channels_of_others_are_not_ours():
    line = capture("chat.txt")[0]
    assert events(line, {"bo": "L2"}) == []
    assert events(line, {"ana": "L1"})[0].livestream == "L1"


# --- notices ----------------------------------------------------------------------------------------------------------


def test_notices_become_gifts_shares_and_words():
    found = [[(type(event), event.id) for event in events(line)] for line in capture("notices.txt")]
    assert found == [
        [(Gift, f"{number(1, '0b')}:sub")],
        [(Message, number(2, "0b")), (Gift, f"{number(2, '0b')}:resub")],
        [],
        [(Gift, f"{number(4, '0b')}:subgift")],
        [(Gift, f"{number(5, '0b')}:subgift")],
        [(Share, f"{number(6, '0b')}:raid")],
        [(Message, number(7, "0b"))],
        [(Gift, f"{number(8, '0b')}:charitydonation")],
        [(Unknown, f"{number(9, '0b')}:unknown")],
    ]


def test_mystery_gift_counts_as_often_as_subscriptions_were_given():
    """Two were given: the announcement says two, then two come. Three or four would be wrong."""
    gifts = [event for line in capture("notices.txt")[2:5] for event in events(line) if isinstance(event, Gift)]
    assert sum(gift.count for gift in gifts) == 2


def test_donation_states_its_value():
    [gift] = events(capture("notices.txt")[7])
    assert (gift.amount_minor, gift.exponent, gift.currency) == (500, 2, "USD")


def test_words_of_an_unknown_notice_are_kept():
    first, second = events(capture("notices.txt")[8] + " :hello there")
    assert (first.text, second.name) == ("hello there", "usernotice somethingnew")


# --- removals ---------------------------------------------------------------------------------------------------------


def test_deleted_message_is_removed_by_its_id():
    [removed] = events(capture("removals.txt")[0])
    assert removed == Removed(
        id="twitch:clearmsg:0a000000-0000-4000-8000-000000000001",
        platform="twitch",
        livestream="twitch:ana",
        at=from_milliseconds(1790000002001),
        received_at=NOW,
        target=number(1),
    )


@pytest.mark.parametrize("index", [1, 2], ids=["timeout", "ban"])
def test_timeout_and_ban_take_back_ten_minutes_of_the_author(index):
    [removed] = events(capture("removals.txt")[index])
    assert removed.target is None
    assert removed.target_author == PSEUDONYM("twitch", f"{101 + index}")
    assert removed.to == removed.at
    assert removed.from_ == removed.at - timedelta(minutes=10)


def test_cleared_chat_takes_back_ten_minutes_of_all():
    [removed] = events(capture("removals.txt")[3])
    assert (removed.target, removed.target_author) == (None, None)
    assert removed.from_ == removed.at - timedelta(minutes=10)


def test_no_id_contains_the_platforms_id_of_an_author():
    for line in capture("removals.txt")[1:3]:
        [removed] = events(line)
        assert not {"102", "103", "bo_2", "cy"} & set(removed.id.split(":"))


# --- what cannot be read ----------------------------------------------------------------------------------------------


def test_connection_lines_are_no_events_and_others_are_unknown():
    *quiet, new = capture("connection.txt")
    assert [event for line in quiet for event in events(line)] == []
    [unknown] = events(new)
    assert (type(unknown), unknown.name) == (Unknown, "SOMETHINGNEW")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "empty_line"),
        ("@a=b", "empty_line"),
        (":only.a.prefix", "empty_line"),
        (":tmi.twitch.tv PRIV\x00MSG #ana :x", "bad_command"),
        (":a!a@a PRIVMSG ana :x", "missing_channel"),
        (":a!a@a PRIVMSG # :x", "missing_channel"),
        (":a!a@a PRIVMSG #ana :", "missing_text"),
        (":a!a@a PRIVMSG #ana", "missing_text"),
        ("@id=1 PRIVMSG #ana :x", "missing_author"),
        ("@tmi-sent-ts=soon :a!a@a PRIVMSG #ana :x", "bad_time"),
        ("@tmi-sent-ts=999999999999999 :a!a@a PRIVMSG #ana :x", "bad_time"),
        ("@tmi-sent-ts=-soon :a!a@a PRIVMSG #ana :x", "bad_time"),
        ("@time=2026-13-01T00:00:00Z :a!a@a PRIVMSG #ana :x", "bad_time"),
        ("@time=2026-10-01T00:00:00 :a!a@a PRIVMSG #ana :x", "bad_time"),
        ("@time=0001-01-01T00:00:00+14:00 :a!a@a PRIVMSG #ana :x", "bad_time"),
        ("@bits=many :a!a@a PRIVMSG #ana :x", "bad_number"),
        ("@bits=9999999999999999 :a!a@a PRIVMSG #ana :x", "bad_number"),
        ("@tmi-sent-ts=1 :tmi.twitch.tv CLEARMSG #ana :x", "missing_target"),
        ("[12:00] hello", "bad_command"),
        ("connected to the server", "bad_command"),
    ],
)
def test_broken_lines_say_why(line, reason):
    with pytest.raises(Unreadable) as raised:
        events(line)
    assert raised.value.reason == reason


@given(st.text(max_size=120), st.sampled_from(["", ":a!a@a PRIVMSG #ana :", "@", "@tmi-sent-ts=1;", ":t CLEARCHAT "]))
def test_any_text_is_read_or_refused_with_a_listed_reason(text, start):
    try:
        reason = "" if isinstance(events(start + text), list) else "no list"
    except Unreadable as error:
        reason = error.reason
    assert reason in REASONS | {""}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (r"a\sb", "a b"),
        (r"\:", ";"),
        (r"\\s", r"\s"),
        (r"\r\n", "\r\n"),
        (r"\b", "b"),
        ("end\\", "end"),
        ("", ""),
        ("\\\\\\", "\\"),
    ],
)
def test_tag_escapes(raw, value):
    assert unescape(raw) == value


@given(st.text())
def test_escaping_and_unescaping_is_the_identity(value):
    pairs = (("\\", "\\\\"), (";", r"\:"), (" ", r"\s"), ("\r", r"\r"), ("\n", r"\n"))
    escaped = value
    for plain, escape in pairs:
        escaped = escaped.replace(plain, escape)
    assert unescape(escaped) == value


def test_tags_without_value_are_empty_and_the_last_of_two_holds():
    assert parse_tags("a;b=;c=1=2;c=3") == {"a": "", "b": "", "c": "3"}


def test_frame_with_several_lines_gives_the_events_of_all():
    raw = "\r\n".join(capture("chat.txt")[:2]).encode() + b"\r\n"
    tools = Tools(pseudonym=PSEUDONYM, now=lambda: NOW)
    assert [type(event) for event in Twitch.parse(raw, tools)] == [Message, Message, Gift]


def test_session_ends_lines_only_where_the_protocol_does():
    table = Table("ana")
    table.join_all()
    [message] = of(Message, table.hear("@id=5;user-id=1 :a!a@a PRIVMSG #ana :one\u2028two\x0cthree"))
    assert message.text == "one\u2028two\x0cthree"


def test_line_separators_inside_a_message_do_not_end_it():
    """Only CR LF ends a line; the many other characters that Python would split at are part of what people write."""
    raw = ":a!a@a PRIVMSG #ana :one\u2028two\x0bthree\x85four\r\n".encode()
    [message] = Twitch.parse(raw, Tools(pseudonym=PSEUDONYM, now=lambda: NOW))
    assert message.text == "one\u2028two\x0bthree\x85four"


# --- the session: time is in the test's hands -------------------------------------------------------------------------


class Table:
    """A session with both its clocks, as a test drives it."""

    def __init__(self, *logins: str, covered: datetime | None = None, rooms: Rooms | None = None, **options) -> None:
        self.mono, self.wall = 1000.0, NOW
        self.rooms = rooms or Rooms()
        if rooms is None:
            self.rooms.update(target(login, covered) for login in logins)
        self.session = Session(Options(**options), "justinfan7", self.rooms, PSEUDONYM, self.mono)

    def advance(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += timedelta(seconds=seconds)

    def hear(self, *lines: str) -> list:
        return self.session.receive("\r\n".join(lines).encode() + b"\r\n", self.mono, self.wall)

    def tick(self, *, drained: bool = True) -> list:
        return self.session.tick(self.mono, self.wall, drained=drained)

    def said(self) -> list[str]:
        lines, self.session.out = self.session.out, []
        return lines

    def log_in(self) -> list:
        self.said()
        self.hear(":tmi.twitch.tv 001 justinfan7 :Welcome, GLHF!")
        return self.tick()

    def join_all(self) -> list:
        items = self.log_in()
        return items + self.hear(*(f"@room-id=7 :tmi.twitch.tv ROOMSTATE #{login}" for login in self.rooms.by_login))

    def message(self, login: str, at: datetime) -> list:
        stamp = round(at.timestamp() * 1000)
        return self.hear(f"@id={stamp};tmi-sent-ts={stamp};user-id=1 :a!a@a PRIVMSG #{login} :x")


def target(login: str, covered: datetime | None = None) -> Target:
    return Target(livestream=f"L-{login}", handle=login, resume=Resume(covered_until=covered))


def test_login_is_anonymous_and_asks_for_tags_and_commands_only():
    assert Table("ana").said() == ["CAP REQ :twitch.tv/tags twitch.tv/commands", "NICK justinfan7"]


def test_nothing_is_joined_before_the_welcome():
    table = Table("ana")
    table.said()
    table.tick()
    assert table.said() == []


def test_joins_keep_to_the_limit_and_to_the_length_of_a_line():
    table = Table(*(f"channel_with_a_long_name{n:02}" for n in range(45)))
    table.log_in()
    joined = []
    for _ in range(30):
        lines = [line for line in table.said() if line.startswith("JOIN ")]
        assert all(len(line) + 2 <= 512 for line in lines)
        names = [name for line in lines for name in line.removeprefix("JOIN ").split(",")]
        joined.append((table.mono, len(names)))
        table.hear(*(f":tmi.twitch.tv ROOMSTATE {name}" for name in names))
        table.advance(1)
        table.tick()
    assert sum(n for _, n in joined) == 45
    for start, _ in joined:
        assert sum(n for at, n in joined if start <= at < start + 10) <= 18


def test_first_join_ever_leaves_no_gap():
    items = Table("ana", "bo").join_all()
    assert of(Gap, items) == []
    assert [(item.livestream, item.state) for item in of(Health, items)] == [("L-ana", "live"), ("L-bo", "live")]
    assert [mark.livestreams for mark in of(Mark, items)] == [("L-ana",), ("L-bo",)]


def test_covered_begins_before_the_join_was_sent():
    """What came between the server's yes and our reading of it may have been lost with the socket, and may have waited before that."""
    table = Table("ana")
    table.log_in()
    sent = table.wall
    table.advance(4)
    [mark] = of(Mark, table.hear(":tmi.twitch.tv ROOMSTATE #ana"))
    assert mark.covered_until == sent - timedelta(seconds=5)


def test_join_after_an_earlier_owner_leaves_a_gap_up_to_the_confirmation():
    covered = NOW - timedelta(minutes=3)
    table = Table("ana", covered=covered)
    table.log_in()
    table.advance(2)
    [gap] = of(Gap, table.hear(":tmi.twitch.tv ROOMSTATE #ana"))
    assert gap.livestream == "L-ana"
    assert gap.from_ == covered - timedelta(seconds=1), "a message stamped a little earlier may have come later"
    assert gap.to >= table.wall + timedelta(seconds=1), "or been stamped by a clock that is a little ahead"
    assert gap.to - gap.from_ <= timedelta(minutes=3, seconds=4.5)


def test_gap_reaches_as_far_as_the_servers_clock_is_ahead():
    covered = NOW - timedelta(minutes=3)
    table = Table("ana", "bo", covered=covered)
    table.log_in()
    table.hear(":tmi.twitch.tv ROOMSTATE #bo")
    table.message("bo", table.wall + timedelta(seconds=3))
    [gap] = of(Gap, table.hear(":tmi.twitch.tv ROOMSTATE #ana"))
    assert gap.to == table.wall + timedelta(seconds=3)


def test_rules_of_a_room_that_change_are_not_a_join():
    table = Table("ana", covered=NOW - timedelta(minutes=3))
    table.join_all()
    assert table.hear("@slow=10 :tmi.twitch.tv ROOMSTATE #ana") == []


def test_busy_channel_is_covered_by_its_own_messages_and_a_quiet_one_by_the_others():
    table = Table("busy", "quiet")
    table.join_all()
    table.advance(60)
    table.message("busy", table.wall - timedelta(milliseconds=50))
    covered = {livestream: mark.covered_until for mark in of(Mark, table.tick()) for livestream in mark.livestreams}
    assert timedelta() <= table.wall - covered["L-busy"] < timedelta(seconds=1)
    assert timedelta(seconds=5) <= table.wall - covered["L-quiet"] < timedelta(seconds=6)


def test_pong_covers_channels_that_say_nothing():
    table = Table("ana", ping_every_seconds=30)
    table.join_all()
    table.said()
    table.advance(31)
    table.tick()
    assert table.said() == ["PING :tmi.twitch.tv"]
    asked = table.wall
    table.advance(2)
    table.hear(":tmi.twitch.tv PONG tmi.twitch.tv :tmi.twitch.tv")
    [mark] = of(Mark, table.tick())
    assert timedelta(seconds=5) <= asked - mark.covered_until < timedelta(seconds=6)


def test_stamps_of_our_own_clock_cover_nothing():
    """A line that waited a minute in the inbox is stamped with now; taking that for the server's time would hide a minute."""
    table = Table("ana")
    table.join_all()
    table.advance(60)
    table.hear(":a!a@a PRIVMSG #ana :no stamp", ":tmi.twitch.tv SOMETHINGNEW")
    assert of(Mark, table.tick()) == []


def test_stamp_from_the_future_does_not_push_the_cover_there():
    table = Table("ana")
    table.join_all()
    table.advance(10)
    table.message("ana", table.wall + timedelta(days=400))
    [mark] = of(Mark, table.tick())
    assert mark.covered_until <= table.wall


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["ana", "bo"]), st.floats(0, 8), st.floats(0, 4), st.booleans()), min_size=1, max_size=25
    ),
    cut=st.integers(0, 24),
)
def test_whatever_is_missed_over_a_drop_lies_in_a_gap(steps, cut):
    """Messages delayed by up to four seconds, a socket that dies anywhere, a next owner who knows only the last marks."""
    table = Table("ana", "bo")
    stored, missed, newest = {}, [], {"ana": NOW, "bo": NOW}

    def store(items: list) -> None:
        stored.update({livestream: mark.covered_until for mark in of(Mark, items) for livestream in mark.livestreams})

    store(table.join_all())
    for index, (login, pause, delay, ticks) in enumerate(steps):
        table.advance(pause)
        # Within one channel the order holds to a second, which is what SLACK allows for.
        at = max(table.wall - timedelta(seconds=delay), newest[login] - timedelta(seconds=0.99), NOW)
        if index < cut:
            newest[login] = max(newest[login], at)
            store(table.message(login, at))
            if ticks:
                store(table.tick())
                store(table.session.marks())
        else:
            missed.append((login, at))
    table.advance(1)
    after = Table(rooms=Rooms())
    after.mono, after.wall = table.mono, table.wall
    after.rooms.update(target(login, stored[f"L-{login}"]) for login in ("ana", "bo"))
    gaps = {gap.livestream: gap for gap in of(Gap, after.join_all())}
    assert set(gaps) == {"L-ana", "L-bo"}
    for login, at in missed:
        assert gaps[f"L-{login}"].from_ <= at <= gaps[f"L-{login}"].to


def test_missing_channel_is_refused_and_asked_for_again():
    table = Table("ana", "nobody", join_timeout_seconds=10, retry_refused_seconds=300)
    table.log_in()
    table.hear(":tmi.twitch.tv ROOMSTATE #ana")
    table.said()
    table.advance(9.9)
    assert of(Health, table.tick()) == []
    table.advance(0.2)
    [health] = of(Health, table.tick())
    assert (health.livestream, health.state) == ("L-nobody", "refused")
    assert "no such channel" in health.reason
    assert table.session.settled
    table.advance(299)
    table.tick()
    assert "JOIN #nobody" not in table.said()
    table.advance(2)
    table.tick()
    assert "JOIN #nobody" in table.said()
    assert [item.state for item in of(Health, table.hear(":tmi.twitch.tv ROOMSTATE #nobody"))] == ["live"]


def test_confirmation_that_waits_unread_is_not_missing():
    """While a slow consumer is behind, silence means nothing: neither a missing channel nor a dead server."""
    table = Table("ana")
    table.log_in()
    table.advance(1000)
    assert of(Health, table.tick(drained=False)) == []
    assert table.session.failure is None


def test_late_confirmation_is_still_a_join():
    table = Table("ana", covered=NOW - timedelta(minutes=1))
    table.log_in()
    table.advance(11)
    table.tick()
    items = table.hear(":tmi.twitch.tv ROOMSTATE #ana")
    assert len(of(Gap, items)) == 1
    assert [item.state for item in of(Health, items)] == ["live"]


@pytest.mark.parametrize(
    ("notice", "state"),
    [
        ("msg_channel_suspended", "refused"),
        ("msg_banned", "refused"),
        ("tos_ban", "refused"),
        ("msg_concurrent_channel_limit_reached", "throttled"),
    ],
)
def test_channel_notices_are_states(notice, state):
    table = Table("ana")
    table.log_in()
    items = table.hear(f"@msg-id={notice} :tmi.twitch.tv NOTICE #ana :Words that change.")
    assert [(item.livestream, item.state) for item in items] == [("L-ana", state)]
    assert table.session.failure is None


@pytest.mark.parametrize("words", ["Login authentication failed", "Improperly formatted auth"])
def test_failed_login_is_refused(words):
    table = Table("ana")
    table.hear(f":tmi.twitch.tv NOTICE * :{words}")
    assert isinstance(table.session.failure, Refused)


def test_ping_is_answered():
    table = Table("ana")
    table.said()
    table.hear("PING :tmi.twitch.tv")
    assert table.said() == ["PONG :tmi.twitch.tv"]


def test_server_that_falls_silent_is_dropped():
    table = Table("ana", ping_every_seconds=30, pong_within_seconds=10)
    table.join_all()
    table.advance(30)
    table.tick()
    table.advance(9)
    table.tick()
    assert table.session.failure is None
    table.advance(1)
    table.tick()
    assert isinstance(table.session.failure, Dropped)


def test_server_that_talks_but_does_not_answer_our_ping_is_alive():
    table = Table("ana", ping_every_seconds=30, pong_within_seconds=10)
    table.join_all()
    table.advance(30)
    table.tick()
    table.advance(5)
    table.message("ana", table.wall)
    table.advance(6)
    table.tick()
    assert table.session.failure is None


def test_unanswered_login_is_dropped():
    table = Table("ana", login_timeout_seconds=20)
    table.advance(20)
    table.tick()
    assert isinstance(table.session.failure, Dropped)


def test_unreadable_line_does_not_stop_its_neighbours():
    table = Table("ana")
    table.join_all()
    items = table.hear("@tmi-sent-ts=never :a!a@a PRIVMSG #ana :x", "@id=5;tmi-sent-ts=5;user-id=1 :a!a@a PRIVMSG #ana :y")
    assert [(type(item), getattr(item, "name", None)) for item in items] == [(Unknown, "unreadable bad_time"), (Message, None)]


def test_target_that_leaves_is_parted_and_its_messages_are_no_longer_ours():
    table = Table("ana", "bo")
    table.join_all()
    table.said()
    table.rooms.update([target("bo")])
    items = table.tick()
    assert table.said() == ["PART #ana"]
    assert next(mark.livestreams for mark in of(Mark, items)) == ("L-ana",)
    assert of(Message, table.message("ana", table.wall)) == []
    assert len(of(Message, table.message("bo", table.wall))) == 1


def test_ordinary_irc_server_is_logged_in_to_and_confirms_by_echo():
    table = Table("ana", "bo")
    table.said()
    table.hear(":irc.test CAP * NAK :twitch.tv/tags twitch.tv/commands")
    assert table.said() == ["CAP REQ :message-tags server-time", "USER justinfan7 0 * :justinfan7", "CAP END"]
    table.log_in()
    items = table.hear(":justinfan7!u@h JOIN :#ana", ":other!u@h JOIN :#bo")
    assert [item.livestream for item in of(Health, items)] == ["L-ana"]
    items = table.hear(":irc.test 403 justinfan7 #bo :No such channel")
    assert [(item.livestream, item.state) for item in items] == [("L-bo", "refused")]


def test_echo_without_roomstate_proves_nothing_on_twitch():
    table = Table("ana")
    table.log_in()
    assert table.hear(":justinfan7!justinfan7@justinfan7.tmi.twitch.tv JOIN #ana") == []


def test_channel_carried_by_two_sockets_has_no_gap_until_both_are_gone():
    old = Table("ana")
    old.join_all()
    new = Table(rooms=old.rooms)
    assert of(Gap, new.join_all()) == []
    old.session.close()
    new.session.close()
    assert len(of(Gap, Table(rooms=old.rooms).join_all())) == 1


# --- the connection ---------------------------------------------------------------------------------------------------


def connector(server: FakeTwitch, *handles: str, **options) -> Twitch:
    watch = Watch([server.target(handle, Resume()) for handle in handles or server.handles])
    tools = Tools(pseudonym=PSEUDONYM, dice=random.Random(3))
    return Twitch(dataclasses.replace(server.options(), **options), watch, tools)


async def test_announced_restart_loses_nothing_and_leaves_no_gap():
    async with FakeTwitch() as server:
        items: list = []
        said = []
        reader = asyncio.create_task(read(connector(server), lambda items: "end" in texts(items), items))
        for handle in server.handles:
            await server.heard(handle)
        said.append(await server.say("ana", "before"))
        await server.reconnect()
        await server.until(lambda: server.connections == 2)
        said.append(await server.say("ana", "between"))
        await server.until(lambda: server.connections == 1)
        said += [await server.say("bo", "after"), await server.say("ana", "end")]
        await reader
    assert {message.id for message in of(Message, items)} == {one.id for one in said}
    assert of(Gap, items) == []
    nicks = [line for line in server.heard_lines if line.startswith("NICK justinfan")]
    assert len(set(nicks)) == 2, "each socket has a name of its own"


async def test_old_connection_is_read_for_a_while_after_the_new_one_has_all():
    """What was on its way there would be lost otherwise; no Gap would own up to it."""
    async with FakeTwitch() as server:
        items: list = []
        source = connector(server, "ana", overlap_seconds=30.0)
        reader = asyncio.create_task(read(source, lambda items: "late" in texts(items), items))
        await server.heard("ana")
        [old] = server.sockets
        await server.reconnect()
        await server.until(lambda: server.listeners("ana") == 2)
        new = server.sockets[-1]
        await server.send("ana", "@id=n;user-id=1 :a!a@a PRIVMSG #ana :new has all", only=new)
        async with asyncio.timeout(30):
            while "new has all" not in texts(items):
                await asyncio.sleep(0)
        await server.send("ana", "@id=o;user-id=1 :a!a@a PRIVMSG #ana :late", only=old)
        await reader


async def test_targets_change_while_it_runs():
    async with FakeTwitch() as server:
        items: list = []
        source = connector(server, "ana", "bo")
        reader = asyncio.create_task(read(source, lambda items: "end" in texts(items), items))
        await server.heard("ana")
        await server.heard("bo")
        source.watch.update([server.target("bo", Resume()), server.target("cy", Resume())])
        await server.heard("cy")
        await server.until(lambda: server.listeners("ana") == 0)
        await server.say("ana", "not ours any more")
        await server.say("cy", "ours now")
        await server.say("bo", "end")
        await reader
    assert texts(items) == ["ours now", "end"]
    assert {"PART #ana", "JOIN #cy"} <= set(server.heard_lines)


async def test_it_ends_when_nothing_is_left_to_watch():
    async with FakeTwitch() as server:
        source = connector(server, "ana")
        reader = asyncio.create_task(read(source))
        await server.heard("ana")
        source.watch.update([])
        await reader


async def test_server_that_limits_joins_never_closes_on_us():
    """The fake closes at the 21st join within ten seconds, as Twitch does; here all 45 are wanted at once."""
    async with FakeTwitch() as server:
        server.handles = tuple(f"c{n}" for n in range(45))
        await read(connector(server), lambda items: sum(h.state == "live" for h in of(Health, items)) == 18)
    assert server.connections == 0


async def test_last_mark_before_a_drop_is_not_lost():
    """What was read before the cut is marked, so that the next owner's gap is not longer than needed."""
    async with FakeTwitch() as server:
        items: list = []
        reader = asyncio.create_task(read(connector(server, "ana", mark_every_seconds=3600), items=items))
        await server.heard("ana")
        said = await server.say("ana", "x")
        await server.cut()
        with pytest.raises(Dropped):
            await reader
    marks = [mark.covered_until for mark in of(Mark, items)]
    assert said.at - max(marks) < timedelta(seconds=1.1)
