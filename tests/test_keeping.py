"""Payloads of the other platforms in what people keep them in: what comes out is the same as of the payload alone."""

from __future__ import annotations

import gzip
import json

import pytest

from monitor.__main__ import main

CHAT = {"type": "CHAT", "id": "c1", "timestamp": "2026-10-17T12:00:00.1234Z", "body": "<p>hi</p>", "user": {"id": "u", "displayName": "Ana"}}  # fmt: skip
HOOK = {"type": "CHAT", "eventData": {**CHAT, "visible": True, "clientId": 5, "rawBody": "hi"}}
ROW = {"chatname": "Ana", "chatmessage": "hi", "type": "twitch", "meta": {"messageId": "a"}, "textonly": True}
FRAME = {
    "action": "event", "timestamp": 1760702400,
    "payload": {"eventIdentifier": "e1", "eventSourceId": 2, "eventTypeId": 4, "eventPayload": {"author": {"id": "u"}, "text": "hi"}},
}  # fmt: skip
STATUS = {
    "id": "9", "uri": "https://x.example/9", "created_at": "2026-10-17T12:00:00Z", "content": "<p>hi</p>", "visibility": "public",
    "account": {"acct": "ana@x.example"},
}  # fmt: skip
POST = {
    "did": "did:plc:a", "time_us": 1783175888094841, "kind": "commit",
    "commit": {"rev": "r", "operation": "create", "collection": "app.bsky.feed.post", "rkey": "k", "record": {"text": "hi"}},
}  # fmt: skip
UPDATE = {
    "update_id": 1,
    "message": {"message_id": 5, "from": {"id": 7, "first_name": "Ana"}, "chat": {"id": -1001, "type": "group"}, "date": 1795151369, "text": "hi"},
}  # fmt: skip
PAYLOADS = {
    "owncast": CHAT, "owncast webhook": HOOK, "ssn": ROW, "restream": FRAME, "mastodon": STATUS,
    "mastodon frame": {"stream": ["hashtag", "x"], "event": "update", "payload": json.dumps(STATUS)}, "bluesky": POST, "telegram": UPDATE,
}  # fmt: skip


def har(entry: dict) -> str:
    return json.dumps({"log": {"version": "1.2", "entries": [{"request": {}, "response": {}, **entry}]}})


def answered(kind: str, text: str) -> str:
    return har({"response": {"status": 200, "content": {"mimeType": kind, "text": text}}})


CONTAINERS = {
    "pretty": lambda one: json.dumps(one, indent=2),
    "pretty in crlf": lambda one: json.dumps(one, indent=2).replace("\n", "\r\n"),
    "bom": lambda one: "\ufeff" + json.dumps(one, indent=1),
    "utf-16": lambda one: json.dumps(one, indent=1).encode("utf-16"),
    "gzip": lambda one: gzip.compress(json.dumps(one, indent=1).encode()),
    "list": lambda one: json.dumps([one], indent=2),
    "list of texts": lambda one: json.dumps([json.dumps(one)]),
    "quoted": lambda one: json.dumps(json.dumps(one)),
    "log": lambda one: "2026-11-20 12:00:00 INFO got " + json.dumps(one, indent=2),
    "record": lambda one: json.dumps({"received_at": "2026-11-20T12:00:00Z", "payload": one}),
    "record of a text": lambda one: json.dumps({"headers": {"a-b": "c"}, "body": json.dumps(one)}),
    "record of a request": lambda one: json.dumps({"method": "POST", "headers": {"a-b": "c"}, "body": one}, indent=1),
    "records": lambda one: json.dumps([{"headers": {"a-b": "c"}, "body": json.dumps(one)}]),
    "request": lambda one: "POST /x HTTP/1.1\r\nHost: m.example\r\n\r\n" + json.dumps(one, indent=1),
    "messages": lambda one: json.dumps({"messages": [json.dumps(one)]}),
    "fence": lambda one: "```json\n" + json.dumps(one, indent=2) + "\n```",
    "har answer": lambda one: answered("application/json", json.dumps(one)),
    "har socket": lambda one: har({"_webSocketMessages": [{"type": "receive", "opcode": 1, "data": json.dumps(one)}]}),
}


def alike(events: list[dict]) -> list[dict]:
    return [{key: value for key, value in event.items() if key not in ("received_at", "at", "id")} for event in events]


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_is_the_same_in_whatever_it_is_kept(parse_capture, name):
    platform = name.partition(" ")[0]
    alone, complaints = parse_capture(platform, json.dumps(PAYLOADS[name]))
    assert ([one["kind"] for one in alone], [one["text"] for one in alone], complaints) == (["message"], ["hi"], [])
    for container, packed in CONTAINERS.items():
        events, complaints = parse_capture(platform, packed(PAYLOADS[name]))
        assert (container, alike(events), complaints) == (container, alike(alone), [])


@pytest.mark.parametrize("name", [name for name in PAYLOADS if not name.startswith("mastodon")])
def test_server_sent_events_are_read_as_they_came_and_out_of_a_browsers_record(parse_capture, name):
    sent = ":ok\n\nid: 1\ndata: " + json.dumps(PAYLOADS[name]) + "\n\n:thump\n\n"
    alone, _ = parse_capture(name.partition(" ")[0], json.dumps(PAYLOADS[name]))
    for written in (sent, sent.replace("\n", "\r\n"), answered("text/event-stream", sent), answered("text/plain", sent)):
        events, complaints = parse_capture(name.partition(" ")[0], written)
        assert (alike(events), complaints) == (alike(alone), [])


def test_mastodons_events_out_of_a_browsers_record_keep_their_names(parse_capture):
    sent = f":)\nevent: update\ndata: {json.dumps(STATUS)}\n\nevent: delete\ndata: 9\n\n"
    events, complaints = parse_capture("mastodon", answered("text/event-stream", sent))
    assert ([one["kind"] for one in events], complaints) == (["message", "removed"], [])


def test_what_is_printed_one_behind_the_other_is_read_one_by_one(parse_capture):
    both = "\n".join(json.dumps({**CHAT, "id": name}, indent=2) for name in ("c1", "c2"))
    events, complaints = parse_capture("owncast", both)
    assert ([one["id"] for one in events], complaints) == (["owncast:c1", "owncast:c2"], [])


def test_lines_in_one_frame_are_documents_each(parse_capture):
    frame = json.dumps(CHAT) + "\n" + json.dumps({**CHAT, "id": "c2"})
    events, _ = parse_capture("owncast", har({"_webSocketMessages": [{"type": "receive", "opcode": 1, "data": frame}]}))
    assert [one["id"] for one in events] == ["owncast:c1", "owncast:c2"]


# --- a webhook's own request --------------------------------------------------------------------------------------------


@pytest.fixture
def parse_hook(tmp_path, capsysbinary):
    """`monitor parse webhook.partner` with a map that needs the request's headers and path."""
    (tmp_path / "secret").write_text("s" * 32)
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "config.toml").write_text(
        f"""
[event]
name = "Test"
timezone = "UTC"
[webhook.partner]
auth = "path_token"
secret = {{ file = "{tmp_path / "secret"}" }}
[webhook.partner.map]
kind = "@/header/x-kind"
channel = "@/path/0"
id = "/n"
text = "/words"
author = "@/query/by"
"""
    )

    def typed(given: object) -> list[dict]:
        (tmp_path / "given").write_text(given if isinstance(given, str) else json.dumps(given))
        code = main(["parse", "webhook.partner", str(tmp_path / "given"), "--config", str(tmp_path / "config.toml")])
        assert code == 0
        return [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]

    return typed


@pytest.mark.parametrize(
    "record",
    [
        {"url": "https://m.example/hooks/partner/token/ana?by=bo", "headers": {"X-Kind": "post"}, "body": json.dumps({"n": 1, "words": "hi"})},
        {"rawPath": "/hooks/partner/token/ana", "queryStringParameters": {"by": "bo"}, "headers": {"x-kind": "post"}, "body": {"n": 1, "words": "hi"}},
    ],
)  # fmt: skip
def test_a_recorded_request_is_mapped_with_its_headers_path_and_query(parse_hook, record):
    [message] = parse_hook(record)
    assert (message["form"], message["livestream"], message["text"], message["id"]) == (
        "post", "webhook.partner:ana", "hi", "webhook.partner:1",
    )  # fmt: skip
    assert "author" in message


def test_a_form_is_read_by_its_content_type(parse_hook):
    form = {"headers": {"X-Kind": "comment", "Content-Type": "application/x-www-form-urlencoded"}, "body": "payload=%7B%22n%22%3A2%2C%22words%22%3A%22ho%22%7D"}  # fmt: skip
    assert [(one["text"], one["id"]) for one in parse_hook(form)] == [("ho", "webhook.partner:2")]


def test_a_request_as_it_went_over_the_wire_is_mapped_with_its_address(parse_hook):
    wire = 'POST /hooks/partner/token/ana?by=bo HTTP/1.1\r\nHost: m.example\r\nX-Kind: post\r\n\r\n{"n": 1, "words": "hi"}\r\n'
    [message] = parse_hook(wire)
    assert (message["livestream"], message["form"], "author" in message) == ("webhook.partner:ana", "post", True)
