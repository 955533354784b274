"""Webhooks: each way to sign against vectors that others made, what is refused and how, and the shapes a body may have."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.connector import Request, Secret, Tools, Unreadable, make_pseudonym
from connectors.event import Gift, Message, Removed, Unknown, as_json, from_json
from connectors.signatures import REASONS, douyin, wanted_proofs
from connectors.webhook import Options, Webhook

NOW = datetime.fromtimestamp(1795151369, UTC)
TOOLS = Tools(pseudonym=make_pseudonym(b"key of these tests"), now=lambda: NOW)
COMMENT = b'{"type":"comment","id":"c1","channel":"ana","text":"hi"}'


def made(secret="s3cret", directory=None, **options):
    chosen = Options(secret=Secret(secret) if secret else None, **options)
    return Webhook(chosen, {"ana": "webhook:ana"} if directory is None else directory, TOOLS)


def send(receiver, body=COMMENT, *, now=NOW, **more):
    return receiver.receive(Request(body=body, **more), now)


def github(body, secret="s3cret"):
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


# --- vectors that this project did not make -----------------------------------------------------------------------------

STANDARD = {
    "webhook-id": "msg_1",
    "webhook-timestamp": "1795151369",
    "webhook-signature": "v1,P2YdMLVnjNZQqvbkvhoRAtQ5ItuglB+AZGNn5t5tCFM=",
}
STANDARD_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"type":"comment.created","data":{"id":"c1"}}'


def test_github_style_vector():
    header = {"x-hub-signature-256": "sha256=5910e62016ef5034272c926c27071992a465c2335cecf41851bda071577f4f6d"}
    assert send(made(auth="hmac_sha256_hex"), b'{"a":1}', headers=header).status == 200
    assert send(made(auth="hmac_sha256_hex"), b'{"a":2}', headers=header).status == 403
    assert send(made("other", auth="hmac_sha256_hex"), b'{"a":1}', headers=header).status == 403


def test_standard_webhooks_vector():
    assert send(made(STANDARD_KEY), STANDARD_BODY, headers=STANDARD).status == 200


def test_douyin_vector():
    headers = {"x-nonce-str": "123456", "x-timestamp": "456789", "x-roomid": "268", "x-msg-type": "live_gift"}
    assert douyin(Request(body="abc123你好".encode(), headers=headers), "123abc") == "PDcKhdlsrKEJif6uMKD2dw=="


# --- each way to prove it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("webhook-id", "msg_2"),
        ("webhook-timestamp", "1795151370"),
        ("webhook-signature", "v1,P2YdMLVnjNZQqvbkvhoRAtQ5ItuglB+AZGNn5t5tCFN="),
        ("webhook-signature", "v1a,P2YdMLVnjNZQqvbkvhoRAtQ5ItuglB+AZGNn5t5tCFM="),
    ],
)
def test_everything_that_is_signed_must_be_as_it_was_signed(name, changed):
    assert send(made(STANDARD_KEY), STANDARD_BODY, headers={**STANDARD, name: changed}).status in (401, 403)


def test_one_of_several_signatures_is_enough_while_a_sender_changes_keys():
    several = "v1,AAAA v1," + "B" * 44 + " " + STANDARD["webhook-signature"]
    assert send(made(STANDARD_KEY), STANDARD_BODY, headers={**STANDARD, "webhook-signature": several}).status == 200


def test_the_old_secret_passes_beside_the_new_one():
    receiver = made("whsec_bmV3", old_secret=Secret(STANDARD_KEY))
    assert send(receiver, STANDARD_BODY, headers=STANDARD).status == 200
    assert send(made("whsec_bmV3"), STANDARD_BODY, headers=STANDARD).status == 403


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (300, 200), (-300, 200), (301, 403), (-301, 403), (86_400, 403)])
def test_what_was_signed_too_long_ago_is_not_taken(seconds, status):
    answer = send(made(STANDARD_KEY), STANDARD_BODY, headers=STANDARD, now=NOW + timedelta(seconds=seconds))
    assert (answer.status, answer.reason) == (status, "" if status == 200 else "outside_window")


def test_a_time_that_is_signed_but_no_time_is_refused():
    receiver = made(STANDARD_KEY)
    stamp = "soon"
    [signature] = wanted_proofs(
        receiver.opts, Request(body=b"{}", headers={"webhook-id": "1", "webhook-timestamp": stamp}), STANDARD_KEY
    )
    headers = {"webhook-id": "1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}
    assert send(receiver, b"{}", headers=headers).reason == "outside_window"


def test_a_template_says_what_is_signed():
    receiver = made(auth="hmac_sha256_hex", signed="v0:{timestamp}:{body}", header="X-Slack-Signature", timestamp_header="X-Time")
    stamp = str(int(NOW.timestamp()))
    signature = hmac.new(b"s3cret", f"v0:{stamp}:".encode() + COMMENT, hashlib.sha256).hexdigest()
    assert send(receiver, headers={"x-slack-signature": signature.upper(), "x-time": stamp}).status == 200
    assert send(receiver, headers={"x-slack-signature": signature, "x-time": str(int(stamp) + 1)}).status == 403


def test_twitch_style_id_and_time_before_the_body():
    receiver = made(auth="hmac_sha256_hex", signed="{id}{timestamp}{body}", header="S", id_header="I", timestamp_header="T")
    stamp = NOW.isoformat()
    signature = "sha256=" + hmac.new(b"s3cret", f"m1{stamp}".encode() + COMMENT, hashlib.sha256).hexdigest()
    assert send(receiver, headers={"s": signature, "i": "m1", "t": stamp}).status == 200
    assert send(receiver, headers={"s": signature, "i": "m2", "t": stamp}).status == 403


def test_base64_of_the_same():
    receiver = made(auth="hmac_sha256_base64")
    [signature] = wanted_proofs(receiver.opts, Request(body=COMMENT), "s3cret")
    assert len(signature) == 44
    assert send(receiver, headers={"x-signature": signature}).status == 200
    assert send(receiver, headers={"x-signature": signature.lower()}).status == 403


@pytest.mark.parametrize(
    "form",
    ["t={t},s={s}", "t={t}.s={s}", "t={t},v1={wrong},v1={s}", "v1={s},t={t}"],
    ids=["tiktok", "owncast", "stripe", "turned"],
)
def test_time_and_signature_in_one_header(form):
    receiver = made(auth="hmac_sha256_pairs", header="TikTok-Signature")
    stamp = str(int(NOW.timestamp()))
    signature = hmac.new(b"s3cret", f"{stamp}.".encode() + COMMENT, hashlib.sha256).hexdigest()
    header = form.format(t=stamp, s=signature, wrong="0" * 64)
    assert send(receiver, headers={"tiktok-signature": header}).status == 200
    assert send(receiver, headers={"tiktok-signature": header.replace(stamp, str(int(stamp) + 1))}).status == 403
    assert send(receiver, headers={"tiktok-signature": header}, now=NOW + timedelta(seconds=301)).reason == "outside_window"
    assert send(receiver, headers={"tiktok-signature": f"t={stamp}"}).status == 401


@pytest.mark.parametrize(
    ("options", "request_", "status"),
    [
        ({"auth": "bearer"}, {"headers": {"authorization": "Bearer s3cret"}}, 200),
        ({"auth": "bearer"}, {"headers": {"authorization": "bearer  s3cret "}}, 200),
        ({"auth": "bearer"}, {"headers": {"authorization": "Bearer s3cre"}}, 403),
        ({"auth": "bearer"}, {"headers": {"authorization": "Basic s3cret"}}, 401),
        ({"auth": "bearer"}, {}, 401),
        (
            {"auth": "header_equals", "header": "X-Telegram-Bot-Api-Secret-Token"},
            {"headers": {"x-telegram-bot-api-secret-token": "s3cret"}},
            200,
        ),
        ({"auth": "header_equals"}, {"headers": {"x-token": "s3cret2"}}, 403),
        ({"auth": "path_token"}, {"path": "s3cret"}, 200),
        ({"auth": "path_token"}, {"path": "s3cret/more"}, 200),
        ({"auth": "path_token"}, {"path": "S3cret"}, 403),
        ({"auth": "path_token"}, {"path": ""}, 401),
        ({"auth": "hmac_sha256_hex"}, {}, 401),
        ({"auth": "hmac_sha256_hex"}, {"headers": {"x-hub-signature-256": "sha256="}}, 401),
        ({"auth": "hmac_sha256_hex"}, {"headers": {"x-hub-signature-256": "\udcff"}}, 403),
        ({"auth": "standard_webhooks"}, {"headers": {"webhook-signature": "v1,"}}, 401),
    ],
)
def test_the_proof_stands_where_it_must(options, request_, status):
    assert send(made(**options), **request_).status == status


@pytest.mark.parametrize("auth", ["standard_webhooks", "hmac_sha256_hex", "douyin_md5", "bearer", "path_token", "body_field"])
def test_without_a_secret_nothing_comes_in(auth):
    empty = {"headers": {"authorization": "Bearer ", "x-signature": "x", "webhook-signature": "v1,x"}, "path": "x"}
    for secret in (None, ""):
        receiver = Webhook(Options(secret=None if secret is None else Secret(secret), auth=auth), {}, TOOLS)
        answer = send(receiver, b'{"secret":""}', **empty)
        assert (answer.status, answer.events) == (403, ())
        assert answer.reason == "no_secret"


def test_a_proof_in_the_body_and_a_fixed_reply():
    """VK: every call carries the secret, a confirmation wants the code and everything else the word ok."""
    receiver = made(
        auth="body_field",
        reply="ok",
        challenge={"at": "/type", "is": "confirmation", "reply": "c0de"},
        map={"kind": "/type", "type_map": {"video_comment_new": "comment"}, "id": "/event_id", "text": "/object/text"},
    )
    question = send(receiver, b'{"type":"confirmation","group_id":1,"secret":"s3cret"}')
    assert (question.status, question.body, question.events) == (200, b"c0de", ())
    told = send(receiver, b'{"type":"video_comment_new","event_id":"e1","object":{"text":"hi"},"secret":"s3cret"}')
    assert (told.status, told.body, [event.id for event in told.events]) == (200, b"ok", ["webhook:e1"])
    assert send(receiver, b'{"type":"confirmation","secret":"other"}').body != b"c0de"
    assert send(receiver, b'{"type":"confirmation"}').status == 401
    assert send(receiver, b"not json").status == 401


def test_an_answer_from_the_body():
    receiver = made(auth="path_token", challenge={"at": "/type", "is": "url_verification", "reply_at": "/challenge"})
    assert send(receiver, b'{"type":"url_verification","challenge":"3eZb"}', path="s3cret").body == b"3eZb"


def test_the_question_of_a_hub_is_answered_only_with_our_token():
    receiver = made()
    query = {"hub.mode": "subscribe", "hub.verify_token": "s3cret", "hub.challenge": "1158201444"}
    asked = send(receiver, b"", method="GET", query=query)
    assert (asked.status, asked.body) == (200, b"1158201444")
    assert send(receiver, b"", method="GET", query={**query, "hub.verify_token": "x"}).status == 403
    assert send(receiver, b"", method="GET", query={"hub.challenge": "1"}).status == 403
    assert send(receiver, b"", method="GET").status == 405
    assert send(made(None), b"", method="GET", query={"hub.verify_token": "", "hub.challenge": "1"}).status == 403


def test_what_is_too_long_is_not_even_verified():
    assert send(made(auth="path_token", max_bytes=10), b"x" * 11, path="wrong").status == 413


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_none(method):
    assert send(made(auth="path_token"), method=method, path="s3cret").status == 405


# --- what is inside -----------------------------------------------------------------------------------------------------


def inside(body, content_type="application/json", **options):
    return send(made(auth="path_token", **options), body, path="s3cret", headers={"content-type": content_type})


def test_an_object_a_list_lines_and_a_form_say_the_same():
    second = COMMENT.replace(b"c1", b"c2")
    form = b"payload=%5B" + COMMENT.replace(b'"', b"%22") + b"," + second.replace(b'"', b"%22") + b"%5D"
    for body, kind in (
        (b"[" + COMMENT + b"," + second + b"]", "application/json"),
        (b"[" + COMMENT + b"," + second + b"]", "application/x-www-form-urlencoded"),
        (COMMENT + b"\n" + second + b"\n", "application/x-ndjson"),
        (COMMENT + b"\r\n\r\n" + second, "text/plain"),
        (form, "application/x-www-form-urlencoded; charset=utf-8"),
    ):
        answer = inside(body, kind)
        assert [event.id for event in answer.events] == ["webhook:c1", "webhook:c2"], kind
    assert [event.id for event in inside(COMMENT).events] == ["webhook:c1"]


def test_a_form_without_json_is_the_document_itself():
    [event] = inside(b"type=comment&id=7&text=hi+there&channel=ana", "application/x-www-form-urlencoded").events
    assert (event.id, event.text) == ("webhook:7", "hi there")


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", ""), (b"{", ""), (b"{\n}x\n", ""), (COMMENT[:-5], ""), (b"", "application/x-www-form-urlencoded"),
     (b"&".join(b"a%d=1" % n for n in range(300)), "application/x-www-form-urlencoded"), (b"\xff\xfe", "application/json")],
)  # fmt: skip
def test_a_genuine_body_that_is_no_json_is_a_bad_request(body, kind):
    answer = inside(body, kind)
    assert (answer.status, answer.events) == (400, ())
    assert answer.reason


def test_what_is_genuine_but_cannot_be_mapped_is_a_success_and_unknown():
    """Senders that see failures stop sending altogether."""
    answer = inside(b'{"type":"comment","id":"c1","channel":"ana"}')
    assert answer.status == 200
    assert [event.name for event in answer.events] == ["unreadable missing_text"]
    [unknown] = inside(b'{"type":"poll","id":"p"}').events
    assert (type(unknown), unknown.name) == (Unknown, "poll")


def test_who_is_not_in_the_roster_is_not_read():
    [event] = send(made(auth="path_token", directory={}), path="s3cret").events
    assert isinstance(event, Unknown)
    assert b"hi" not in as_json(event)


def test_sent_again_it_is_the_same():
    first, second = (
        send(made(STANDARD_KEY, map={"text": "/type"}), STANDARD_BODY, headers=STANDARD, now=now).events
        for now in (NOW, NOW + timedelta(seconds=200))
    )
    assert [event.id for event in first] == [event.id for event in second]
    assert first[0].id.startswith("webhook:msg_1")


def test_douyin_whole():
    """The official samples through the map of the documents."""
    table = {
        "items": "",
        "channel": "@/header/x-roomid",
        "kind": "@/header/x-msg-type",
        "type_map": {
            "live_comment": "comment",
            "live_gift": {
                "as": "gift",
                "name": "/sec_gift_id",
                "count": "/gift_num",
                "amount_minor": "/gift_value",
                "const": {"currency": "CNY"},
            },
        },
        "id": "/msg_id",
        "at": "/timestamp",
        "author": "/sec_openid",
        "author_name": "/nickname",
        "text": "/content",
        "skip_if": {"/test": True},
    }
    receiver = made("123abc", {"268": "webhook.douyin:268"}, auth="douyin_md5", map=table, section="webhook.douyin")
    gift = {
        "msg_id": "2",
        "sec_openid": "x",
        "sec_gift_id": "rose",
        "gift_num": 123,
        "gift_value": 10000,
        "nickname": "用户",
        "timestamp": 1649068964,
    }
    for kind, items in (
        ("live_comment", [{"msg_id": "1", "sec_openid": "x", "content": "加油", "nickname": "用户", "timestamp": 1649068964000}]),
        ("live_gift", [gift, {**gift, "msg_id": "3", "test": True}]),
    ):
        stamp = str(int(NOW.timestamp() * 1000))
        headers = {"x-nonce-str": "n", "x-timestamp": stamp, "x-roomid": "268", "x-msg-type": kind}
        body = json.dumps(items).encode()
        headers["x-signature"] = douyin(Request(body=body, headers=headers), "123abc")
        [event] = send(receiver, body, headers=headers).events
        assert (event.livestream, event.platform) == ("webhook.douyin:268", "webhook.douyin")
        assert event.at == datetime.fromtimestamp(1649068964, UTC)
        if isinstance(event, Gift):
            assert (event.amount_minor, event.currency, event.count) == (10000, "CNY", 123)
        else:
            assert (event.text, event.author_name) == ("加油", "用户")
        assert send(receiver, body, headers=headers, now=NOW + timedelta(hours=1)).reason == "outside_window"


# --- options ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"signed": "{timestamp}"}, "signed: expected a text with {body}"),
        ({"challenge": {"if": "/type"}}, "challenge: expected at, is"),
        ({"challenge": {"at": "/type"}}, "challenge: expected at, is"),
        ({"challenge": {"at": "type", "is": "x"}}, "expected a JSON pointer"),
        ({"secret_at": "secret"}, "expected a JSON pointer"),
        ({"map": {"txt": "/text"}}, 'did you mean "text"?'),
    ],
)
def test_a_mistake_in_the_options_is_one_sentence(options, says):
    with pytest.raises(ValueError) as mistake:
        Options(**options)
    assert says in str(mistake.value)


def test_parse_reads_a_body_and_a_removal_meets_its_message():
    message, removed = (Webhook.parse(body, TOOLS)[0] for body in (COMMENT, b'{"type":"removed","target":"c1"}'))
    assert isinstance(message, Message)
    assert isinstance(removed, Removed)
    assert removed.target == message.id
    with pytest.raises(Unreadable):
        Webhook.parse(b"{", TOOLS)


# --- whatever comes -----------------------------------------------------------------------------------------------------

HEADER_NAMES = (
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-hub-signature-256",
    "authorization",
    "content-type",
    "x-signature",
    "x-timestamp",
)


@given(
    auth=st.sampled_from(["standard_webhooks", "hmac_sha256_hex", "hmac_sha256_base64", "douyin_md5", "body_field", "bearer", "header_equals", "path_token"]),
    headers=st.dictionaries(st.sampled_from(HEADER_NAMES), st.text(max_size=20) | st.binary(max_size=8).map(lambda b: b.decode("utf-8", "surrogateescape"))),
    body=st.binary(max_size=60) | st.sampled_from((COMMENT, b"[]", b'{"secret":"s3cret"}')),
    method=st.sampled_from(("GET", "POST", "PUT", "HEAD")),
    path=st.text(max_size=10) | st.just("s3cret"),
    query=st.dictionaries(st.sampled_from(("hub.challenge", "hub.verify_token", "a")), st.text(max_size=8)),
)  # fmt: skip
def test_no_request_breaks_it_and_a_guess_brings_in_nothing(*, auth, headers, body, method, path, query):
    answer = send(made(auth=auth), body, headers=headers, method=method, path=path, query=query)
    assert answer.status in (200, 400, 401, 403, 405, 413)
    if answer.status == 200 and method != "GET":
        assert (auth == "path_token" and path.split("/")[0] == "s3cret") or (auth == "body_field" and b"s3cret" in body)
    if answer.status in (401, 403) and method != "GET":
        assert answer.reason in REASONS
    for event in answer.events:
        assert from_json(as_json(event)) == event


@given(content=st.sampled_from(["", "application/x-www-form-urlencoded"]), body=st.binary(max_size=100))
def test_a_genuine_body_of_any_bytes_is_an_answer(content, body):
    assert inside(body, content).status in (200, 400)


@pytest.mark.slow
def test_a_hundred_thousand_accidents_of_genuine_bodies():
    import random
    from pathlib import Path

    from test_contract import mangle

    dice = random.Random(7)
    bodies = (Path(__file__).parent / "captures" / "webhook" / "own.txt").read_bytes().splitlines()
    receiver = made(auth="path_token")
    for _ in range(100_000):
        answer = send(receiver, mangle(dice.choice(bodies), dice), path="s3cret")
        assert answer.status in (200, 400)
        for event in answer.events:
            assert from_json(as_json(event)) == event
