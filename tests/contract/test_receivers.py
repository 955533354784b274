"""What every platform that calls us owes, held against every receiver in the table; no platform is named here."""

from __future__ import annotations

import dataclasses
import inspect
import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from fake_webhook import SENDERS
from hypothesis import given
from hypothesis import strategies as st
from test_contract import mangle, retyped

import connectors
from connectors.connector import Answer, Hint, Receiver, Request, Secret, Tools, make_pseudonym
from connectors.event import Unknown, as_json, from_json

NOW = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)
TOOLS = Tools(pseudonym=make_pseudonym(b"key of the contract suite"), now=lambda: NOW)

pytestmark = pytest.mark.parametrize("name", sorted(connectors.RECEIVERS))


def made(name: str):
    """(receiver, sender)."""
    sender = SENDERS[name]()
    return connectors.receiver_of(name)(sender.options(), sender.directory, TOOLS), sender


def test_the_table_names_a_receiver_of_that_name_with_a_sender(name):
    kind = connectors.receiver_of(name)
    assert issubclass(kind, Receiver)
    assert kind.name == name
    assert name in SENDERS


def test_options_have_a_text_under_each_field(name):
    options = connectors.receiver_of(name).options
    source = inspect.getsource(options)
    for field in dataclasses.fields(options):
        _, _, after = source.partition(f"\n    {field.name}:")
        assert after.split("\n", 2)[1].strip().startswith('"""'), f"{field.name} has no text under it"
        assert field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING, field.name


def test_what_is_genuine_becomes_events_of_that_platform(name):
    receiver, sender = made(name)
    for body in sender.bodies():
        answer = receiver.receive(sender.request(body, at=NOW), NOW)
        assert answer.status == 200, answer.reason
        assert answer.events or answer.hints
        if answer.events:
            assert any(not isinstance(event, Unknown) for event in answer.events) or b"something new" in body
        for event in answer.events:
            assert event.platform == receiver.platform
            assert event.id.startswith(f"{receiver.platform}:")
            assert event.livestream in {None, *sender.directory.values()}
            assert event.received_at == NOW
            assert from_json(as_json(event)) == event


def test_sent_again_it_has_the_same_ids(name):
    receiver, sender = made(name)
    for body in sender.bodies():
        request = sender.request(body, at=NOW)
        first, again = (receiver.receive(request, NOW + timedelta(seconds=s)) for s in (0, 200))
        assert [event.id for event in first.events] == [event.id for event in again.events]
        for one, other in zip(first.hints, again.hints, strict=True):
            assert dataclasses.replace(one, at=other.at) == other


def test_every_byte_counts_for_the_signature(name):
    receiver, sender = made(name)
    body = sender.bodies()[0]
    request = sender.request(body, at=NOW)
    if not getattr(sender, "proves_body", True):  # its proof is a token alone: another body with it is believed
        other = dataclasses.replace(request, body=sender.bodies()[-1])
        assert receiver.receive(other, NOW).status < 300
        return
    for at in range(0, len(body), max(1, len(body) // 40)):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        answer = receiver.receive(dataclasses.replace(request, body=changed), NOW)
        assert 400 <= answer.status < 500
        assert answer.events == answer.hints == ()


@pytest.mark.parametrize("minutes", [-60, 60, 24 * 60])
def test_what_was_signed_at_another_time_is_refused(name, minutes):
    receiver, sender = made(name)
    answer = receiver.receive(sender.request(sender.bodies()[0], at=NOW), NOW + timedelta(minutes=minutes))
    if not getattr(sender, "proves_time", getattr(sender, "proves_body", True)):  # nothing says when it was sent
        assert answer.status < 300
        return
    assert 400 <= answer.status < 500
    assert answer.events == answer.hints == ()
    assert answer.reason


def test_without_proof_nothing_comes_in(name):
    receiver, sender = made(name)
    for method in ("POST", "PUT", "GET", "DELETE"):
        answer = receiver.receive(Request(body=sender.bodies()[0], method=method), NOW)
        assert 400 <= answer.status < 500
        assert answer.events == answer.hints == ()


def test_a_channel_that_is_not_in_the_directory_is_not_read(name):
    receiver, sender = made(name)
    receiver.directory = {}
    for body in sender.bodies():
        answer = receiver.receive(sender.request(body, at=NOW), NOW)
        assert answer.hints == ()
        for event in answer.events:
            assert event.livestream is None


def test_no_secret_is_shown(name):
    receiver, sender = made(name)
    known = "s3cret-that-must-not-be-seen"
    secrets = {field.name: Secret(known) for field in dataclasses.fields(receiver.opts) if "Secret" in str(field.type)}
    receiver.opts = dataclasses.replace(receiver.opts, **secrets)
    answer = receiver.receive(sender.request(sender.bodies()[0], at=NOW), NOW)
    assert known not in f"{answer} {receiver.opts!r} {receiver!r}"


def survives(name: str, request: Request, *, now: datetime = NOW) -> Answer:
    receiver, _ = made(name)
    answer = receiver.receive(request, now)
    assert 200 <= answer.status < 500
    assert answer.reason.isascii()
    assert len(answer.reason) <= 40
    for event in answer.events:
        assert from_json(as_json(event)) == event
    for hint in answer.hints:
        assert msgspec.json.decode(msgspec.json.encode(hint), type=Hint) == hint
    return answer


@given(seed=st.integers(0, 2**32))
def test_a_mangled_body_that_is_signed_is_an_answer(name, seed):
    _, sender = made(name)
    dice = random.Random(seed)
    survives(name, sender.request(mangle(dice.choice(sender.bodies()), dice), at=NOW))


@given(seed=st.integers(0, 2**32))
def test_a_retyped_body_that_is_signed_is_an_answer(name, seed):
    _, sender = made(name)
    dice = random.Random(seed)
    survives(name, sender.request(retyped(dice.choice(sender.bodies()), dice), at=NOW))


@pytest.mark.slow
def test_a_hundred_thousand_accidents_are_answers(name):
    _, sender = made(name)
    dice, bodies = random.Random(7), sender.bodies()
    for number in range(100_000):
        survives(name, sender.request((mangle if number % 2 else retyped)(dice.choice(bodies), dice), at=NOW))


@given(data=st.data())
def test_a_mangled_header_changes_nothing_that_is_taken(name, data):
    """What is not signed says nothing."""
    receiver, sender = made(name)
    request = sender.request(sender.bodies()[0], at=NOW)
    header = data.draw(st.sampled_from(sorted(request.headers.keys() - {"content-type"}) or ["x-any"]))
    value = data.draw(st.text(max_size=30) | st.just("9" * 400))
    answer = survives(name, dataclasses.replace(request, headers={**request.headers, header: value}))
    genuine = receiver.receive(request, NOW)
    assert all(event in genuine.events or isinstance(event, Unknown) for event in answer.events)
    assert all(hint in genuine.hints for hint in answer.hints)
