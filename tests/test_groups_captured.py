"""Updates of Telegram in shapes that groups, channels and libraries send, and what a careful person counts of them."""

from __future__ import annotations

import json

import pytest

from connectors.connector import Tools, make_pseudonym
from connectors.event import Follow, Gift, Message, Unknown
from connectors.telegram import Telegram

GROUP = {"id": -1001, "type": "supergroup", "title": "G"}
CHANNEL = {"id": -1009, "type": "channel", "title": "C"}
ANA = {"id": 77, "is_bot": False, "first_name": "Ana"}
SENT = {"message_id": 5, "from": ANA, "chat": GROUP, "date": 1795151369}


@pytest.fixture
def tools(clock):
    return Tools(pseudonym=make_pseudonym(b"telegram"), now=clock.now)


@pytest.fixture
def told(tools):
    return lambda **changes: Telegram.parse(json.dumps({"update_id": 7, "message": {**SENT, **changes}}).encode(), tools)


@pytest.fixture
def member(tools):
    """What becomes of a person in a chat."""

    def change(before: str | None, after: str, chat=CHANNEL, user=ANA) -> list:
        old = {"status": before, "user": user} if before else None
        body = {
            "chat": chat,
            "from": ANA,
            "date": 1795151369,
            "old_chat_member": old,
            "new_chat_member": {"status": after, "user": user},
        }
        return Telegram.parse(json.dumps({"update_id": 7, "chat_member": body}).encode(), tools)

    return change


def test_pictures_of_one_album_are_one_message(tools):
    read = Telegram.remembering(tools)
    pictures = [{"message_id": n, "media_group_id": "g", "photo": [{"file_id": "x"}]} for n in (5, 6, 7)]
    pictures[0]["caption"] = "look"
    found = [read(json.dumps({"update_id": n, "message": {**SENT, **picture}}).encode()) for n, picture in enumerate(pictures)]
    assert [[one.text for one in events] for events in found] == [["look"], [], []]
    again = read(json.dumps({"update_id": 9, "message": {**SENT, **pictures[0]}}).encode())
    assert again == found[0], "what is told again is the same"


def test_words_under_a_later_picture_are_heard_and_albums_of_two_chats_are_two(tools):
    pictures = [
        {**SENT, "media_group_id": "g", "photo": [{"file_id": "x"}]},
        {**SENT, "message_id": 6, "media_group_id": "g", "photo": [{"file_id": "x"}], "caption": "and this"},
        {**SENT, "chat": {**GROUP, "id": -1002}, "media_group_id": "g", "photo": [{"file_id": "x"}]},
    ]
    answer = {"ok": True, "result": [{"update_id": n, "message": picture} for n, picture in enumerate(pictures)]}
    assert [one.text for one in Telegram.parse(json.dumps(answer).encode(), tools)] == ["", "and this", ""]


def test_a_service_message_that_nobody_knows_yet_is_unknown_and_no_comment(told):
    [news] = told(brand_new_service={"x": 1}, entities=[], reply_to_message={"message_id": 4})
    assert (type(news), news.name) == (Unknown, "brand_new_service")
    assert [type(one) for one in told(brand_new_field={"x": 1}, text="hi")] == [Message], "words are words"
    assert [type(one) for one in told()] == [Message], "what the server is too old to show was sent by somebody"


def test_what_one_person_writes_to_a_channel_is_private(told):
    assert told(text="hi", chat={**GROUP, "is_direct_messages": True}) == []


def test_who_comes_to_a_channel_follows_it(member):
    [follow] = member("left", "member")
    assert (type(follow), follow.livestream) == (Follow, "telegram:-1009")
    assert [type(one) for one in member(None, "member")] == [Follow]
    assert member("administrator", "member") == member("member", "left") == member("left", "restricted") == []
    assert member("left", "member", chat=GROUP) == [], "a group has a message that says so"
    assert member("left", "member", user={**ANA, "is_bot": True}) == []


@pytest.mark.parametrize(
    ("about", "stars"),
    [
        ({"origin": "resale", "last_resale_currency": "XTR", "last_resale_amount": 500}, 500),
        ({"origin": "resale", "last_resale_star_count": 400}, 400),
        ({"origin": "resale", "last_resale_currency": "TON", "last_resale_amount": 5_000_000_000}, 0),
        ({"origin": "transfer"}, 0),
    ],
)
def test_what_a_resold_gift_cost_in_stars_is_its_value(told, about, stars):
    [gift] = told(unique_gift={"gift": {"base_name": "Car"}, **about})
    assert (type(gift), gift.amount_minor) == (Gift, stars)


@pytest.mark.parametrize("origin", ["upgrade", "gifted_upgrade"])
def test_a_gift_that_is_only_made_unique_was_given_before(told, origin):
    assert told(unique_gift={"gift": {"base_name": "Car"}, "origin": origin}) == []


def test_words_in_pieces_are_put_together(told):
    assert [one.text for one in told(text=["see ", {"type": "link", "text": "x.example"}, 5])] == ["see x.example"]
