"""Rows of Social Stream Ninja in the shapes of its event reference and its sources, and what a careful person counts of them."""

from __future__ import annotations

import json

import pytest

from connectors.connector import Tools, make_pseudonym
from connectors.event import Follow, Gift, Message, Removed
from connectors.mapped import Reading, events_of
from connectors.mapping import compile_map
from connectors.money import Money, currency_of, minor, shown
from connectors.ssn import MAP, Ssn

ROW = {"chatname": "Ana", "chatmessage": "hi", "hasDonation": "", "membership": "", "contentimg": "", "textonly": False, "type": "twitch"}  # fmt: skip


@pytest.fixture
def read(clock):
    tools = Tools(pseudonym=make_pseudonym(b"ssn"), now=clock.now)
    return lambda *rows: Ssn.parse(json.dumps(rows[0] if len(rows) == 1 else rows).encode(), tools)


@pytest.fixture
def reads_in(clock):
    """As two attendees' sessions: (livestream, row) → events."""
    pseudonym = make_pseudonym(b"ssn")
    plan = compile_map(MAP)
    return lambda livestream, row: events_of(
        plan, row, Reading(platform="ssn", now=clock.now(), pseudonym=pseudonym, livestream=livestream)
    )


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("KWD 1.500", Money(1500, 3, "KWD")),
        ("OMR 0.500", Money(500, 3, "OMR")),
        ("1,250.750 KWD", Money(1250750, 3, "KWD")),
        ("Kč 100", Money(10000, 2, "CZK")),
        ("100,00 Kč", Money(10000, 2, "CZK")),
        ("1 000 Ft", Money(100000, 2, "HUF")),
        ("1\u202f234,50\u00a0€", Money(123450, 2, "EUR")),
        ("5,00 $US", Money(500, 2, "USD")),
        ("kr. 50,00", Money(5000, 2, "DKK")),
        ("R50", Money(5000, 2, "ZAR")),
        ("R$50", Money(5000, 2, "BRL")),
        ("JP¥500", Money(500, 0, "JPY")),
        ("10,000원", Money(10000, 0, "KRW")),
        ("₸500", Money(50000, 2, "KZT")),
        ("500 руб.", Money(50000, 2, "RUB")),
        ("COL$10.000", Money(1000000, 2, "COP")),
        ("CLP$1.000", Money(1000, 0, "CLP")),
        ("¥5 CNY", Money(500, 2, "CNY")),
        ("$.99", Money(99, 2, "USD")),
        ("\u200f٥٫٠٠ US$", Money(500, 2, "USD")),
        ("١٬٠٠٠ ر.س", Money(100000, 2, "SAR")),
        ("₹१,०००", Money(100000, 2, "INR")),
        ("＄５．００", Money(500, 2, "USD")),
        ("1.5K coins", Money(1500, 0, "COINS")),
        ("1 💎", Money(1, 0, "DIAMONDS")),
        ("50 tokens", Money(50, 0, "TOKENS")),
        ("치즈 1,000", Money(1000, 0, "CHEESE")),
    ],
)
def test_money_is_read_in_any_notation(text, money):
    assert shown(text) == (1, money)


@pytest.mark.parametrize("text", ["kr 50,00", "50 kr", "Rs 500", "Rs.500", "Bs 10", "0.001 BTC", "Tier 3", "Tier 3 Sub", "Level 5 badge", "12", "5.5", "₿ 2"])  # fmt: skip
def test_an_amount_that_nobody_can_name_is_one_gift_and_never_many(text):
    assert shown(text) == (1, None)


@pytest.mark.parametrize(("text", "units"), [("Sent 3 Roses", 3), ("Rose x3", 3), ("Rose ×12", 12), ("2x Galaxy", 2), ("100 gifts", 100), ("5 ETH", 5)])  # fmt: skip
def test_things_are_counted(text, units):
    assert shown(text) == (units, None)


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [("5,00", "EUR", 500), ("1.234,56", "EUR", 123456), ("1,234.56", "USD", 123456), ("1 234,5", "EUR", 123450), ("1,500", "JPY", 1500),
     ("5.000", "USD", 500), ("1’000", "CHF", 100000)],
)  # fmt: skip
def test_a_partners_amount_may_have_a_comma(value, currency, amount):
    assert minor(value, currency).amount_minor == amount


def test_a_field_that_names_the_currency_may_hold_a_sign_or_a_word():
    assert [currency_of(told) for told in ("usd", "€", "US$", "KICKs", "coins", "Kč", "руб.", "points")] == [
        "USD", "EUR", "USD", "KICKS", "COINS", "CZK", "RUB", "POINTS",
    ]  # fmt: skip


@pytest.mark.parametrize("changes", [{"private": True}, {"bot": True}, {"type": "bot"}])
def test_private_words_and_bots_are_left_out(read, changes):
    assert read({**ROW, **changes}) == []


def test_the_words_of_an_answer_are_without_those_that_it_answers(read):
    meta = {"messageId": "78", "reply": {"messageId": "77", "author": "bo", "text": "old"}}
    [answer] = read({**ROW, "chatmessage": "@bo: old: new", "initial": "@bo", "reply": "new", "meta": meta})
    assert (answer.text, answer.reply_to, answer.id) == ("new", "ssn:twitch:77", "ssn:twitch:78")
    assert [one.text for one in read({**ROW, "reply": False, "meta": meta})] == ["hi"]


def test_ids_that_an_extension_counts_up_are_its_own(reads_in):
    """Each begins at a chance number below 90,000: of a thousand attendees many have the same."""
    [one], [other] = (reads_in(f"ssn:session-{name}", {**ROW, "id": 500}) for name in ("a", "b"))
    assert one.id != other.id
    [removed] = reads_in("ssn:session-a", {"delete": {"type": "twitch", "id": 500}})
    assert (type(removed), removed.target) == (Removed, one.id)
    native = [reads_in(f"ssn:session-{name}", {**ROW, "id": 500, "meta": {"messageId": "m"}})[0].id for name in ("a", "b")]
    assert native == ["ssn:twitch:m", "ssn:twitch:m"], "the site's own id is the same for everybody"


def test_a_combo_that_is_told_again_counts_what_is_new(read):
    told = [
        {**ROW, "type": "tiktok", "event": "gift", "hasDonation": f"{5 * n} coins", "meta": {"tiktokGiftStreakId": "s", "tiktokGiftCount": n}}
        for n in (1, 2, 2, 5)
    ]  # fmt: skip
    gifts = read(*told)
    assert [(one.count, one.amount_minor) for one in gifts] == [(1, 5), (1, 5), (3, 15)]
    assert len({one.id for one in gifts}) == 3
    assert [(one.count, one.amount_minor) for one in read(told[3])] == [(5, 25)], "who sees only the last sees all of it"


def test_a_combo_of_another_session_is_another_one(reads_in):
    row = {**ROW, "event": "gift", "hasDonation": "2 coins", "meta": {"tiktokGiftStreakId": "s", "tiktokGiftCount": 2}}
    plan, streaks = compile_map(MAP), {}
    counted = []
    for livestream in ("a", "b", "a"):
        [sample] = reads_in(livestream, ROW)
        reading = Reading(
            platform="ssn", now=sample.received_at, pseudonym=lambda *_: "x", livestream=livestream, streaks=streaks
        )
        counted.append(sum(one.count for one in events_of(plan, row, reading)))
    assert counted == [2, 2, 0]


def test_captured_combos_are_remembered_from_line_to_line(parse_capture):
    lines = [
        json.dumps(
            {**ROW, "event": "gift", "hasDonation": f"{n} coins", "meta": {"tiktokGiftStreakId": "s", "tiktokGiftCount": n}}
        )
        for n in (2, 3)
    ]
    events, complaints = parse_capture("ssn", "\n".join(lines))
    assert (complaints, [(one.get("count", 1), one["amount_minor"]) for one in events]) == ([], [(2, 2), (1, 1)])


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({"event": "donation", "hasDonation": "tip", "meta": {"amount": 5, "currency": "USD"}}, (1, 500, "USD")),
        ({"event": "gift", "hasDonation": "50 KICKs", "meta": {"amount": 50, "currency": "KICKs"}}, (1, 50, "KICKS")),
        ({"event": "gift", "hasDonation": "300 coins", "meta": {"tiktokGiftCount": 3}}, (3, 300, "COINS")),
        ({"event": "subscription_gift", "subtitle": "x5"}, (5, 0, None)),
        ({"event": "volts", "hasDonation": "100 Volts"}, (1, 100, "VOLTS")),
    ],
)
def test_what_is_given_has_its_number_and_its_value(read, changes, value):
    [gift] = [one for one in read({**ROW, **changes}) if isinstance(one, Gift)]
    assert (gift.count, gift.amount_minor, gift.currency) == value


def test_a_bundle_of_twitch_is_counted_by_the_gifts_that_follow_it(read):
    bundle = {**ROW, "event": "giftpurchase", "chatmessage": "Ana is gifting 5 Subs"}
    assert read(bundle) == []
    assert [type(one) for one in read({**bundle, "type": "youtube"})] == [Gift]


@pytest.mark.parametrize("nothing", ["false", "undefined", "null", "NaN", "None", " "])
def test_no_donation_may_be_a_word(read, nothing):
    assert [type(one) for one in read({**ROW, "hasDonation": nothing})] == [Message]


def test_several_followers_are_told_as_one_row(read):
    grouped = {**ROW, "event": "new_follower", "chatmessage": "", "meta": {"grouped": True, "count": 7, "others": 6}}
    assert [(type(one), one.count) for one in read(grouped)] == [(Follow, 7)]


def test_a_viewers_question_is_heard_and_a_sites_own_news_is_not(read):
    assert [one.text for one in read({**ROW, "event": "question_new", "chatmessage": "how fast?"})] == ["how fast?"]
    for event in ("auction_update", "commerce_update", "payment_succeeded", "user_leave", "shoutout"):
        assert read({"type": "whatnot", "event": event, "meta": {"x": 1}}) == []


def test_two_orders_of_different_names_are_two_unknowns(read):
    first, second = (read({"action": name})[0] for name in ("clearAll", "nextInQueue"))
    assert (first.name, second.name) == ("clearAll", "nextInQueue")
    assert first.id != second.id


def test_rows_are_found_in_a_recorders_lines(parse_capture):
    recorded = "\n".join(
        json.dumps({"ts": n, "event": "message", "data": json.dumps({**ROW, "chatmessage": str(n)})}) for n in (1, 2)
    )
    events, complaints = parse_capture("ssn", recorded)
    assert (complaints, [one["text"] for one in events]) == ([], ["1", "2"])
