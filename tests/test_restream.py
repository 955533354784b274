"""Restream: events of several platforms over one connection, and what it needs."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from connectors.connector import Refused, Secret, Target, Tools, Watch, make_pseudonym
from connectors.event import Gift, Message
from connectors.restream import Options, Restream

TOOLS = Tools(pseudonym=make_pseudonym(b"key of these tests"), now=lambda: datetime(2026, 10, 16, 12, 0, tzinfo=UTC))


def parse(kind=5, source=13, identifier="e1", options=None, **payload):
    event = {"eventIdentifier": identifier, "eventSourceId": source, "eventTypeId": kind, "eventPayload": payload}
    raw = orjson.dumps({"action": "event", "payload": event, "timestamp": 1792151998})
    return Restream.parse_with(options or Options(), raw, TOOLS)


def test_a_message_and_its_author():
    [message] = parse(author={"id": "UCana", "displayName": "Ana"}, text="Olá")
    assert (message.text, message.author_name) == ("Olá", "Ana")
    assert message.author == TOOLS.pseudonym("restream", "13:UCana")
    assert message.at == datetime.fromtimestamp(1792151998, UTC)


def test_the_same_person_id_on_two_platforms_is_two_people():
    first, second = (parse(source=source, author={"id": "7"}, text="x")[0] for source in (2, 13))
    assert first.author != second.author
    assert first.id != second.id


@pytest.mark.parametrize("where", [{"amount": 5, "currency": "EUR"}, {"donation": {"amount": "5.00", "currency": "EUR"}}])
def test_a_super_chat_is_words_and_value(where):
    message, gift = parse(kind=7, author={"name": "cy"}, text="take this", **where)
    assert isinstance(message, Message)
    assert isinstance(gift, Gift)
    assert (gift.name, gift.amount_minor, gift.exponent, gift.currency) == ("super chat", 500, 2, "EUR")


def test_a_sticker_has_no_words_of_a_person():
    assert [type(event) for event in parse(kind=8, text="a cat", amount=2, currency="JPY")] == [Gift]


@pytest.mark.parametrize("action", ["connection_info", "connection_closed", "heartbeat", "reply_created"])
def test_what_is_not_about_people_is_nothing(action):
    assert Restream.parse(orjson.dumps({"action": action, "payload": {"eventSourceId": 2}}), TOOLS) == []


def test_a_kind_that_is_not_known_but_has_words_is_a_message():
    assert parse(kind=99, text="hello")[0].text == "hello"


def test_bots_are_nobody():
    assert parse(text="!commands", bot=True) == []


def test_where_things_stand_may_be_said_in_the_configuration():
    options = Options(map={"text": "/payload/eventPayload/body"})
    assert parse(options=options, body="here")[0].text == "here"


async def test_without_a_token_a_person_must_act():
    connector = Restream(
        Options(section="restream.second"), Watch([Target(livestream="restream.second:main", handle="main")]), TOOLS
    )
    with pytest.raises(Refused, match=r"\[restream\.second\]"):
        await anext(connector.events())


def test_the_token_goes_into_the_address_and_nowhere_else():
    connector = Restream(Options(token=Secret("a/b")), Watch(), TOOLS)
    assert connector.address_of(None) == "wss://chat.api.restream.io/ws?accessToken=a%2Fb"
    assert connector._headers() == {}
