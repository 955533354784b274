"""What payloads lie in when somebody kept them: exports of tools, logs of containers, what programs print, tables, examples under titles."""

from __future__ import annotations

import base64
import csv
import io
import json

import pytest

from monitor.printed import in_javascript, in_python, without_remarks
from monitor.unwrapped import inside, named, requests

SAID = {
    "message_id": "m1", "replies_to": None, "broadcaster": {"user_id": 12, "channel_slug": "ana"}, "sender": {"user_id": 34, "username": "Zoë"},
    "content": "it's {a} \"quoted\" [word]", "emotes": None, "created_at": "2025-01-14T16:08:06Z",
}  # fmt: skip
ANSWER = {
    "kind": "youtube#liveChatMessageListResponse", "nextPageToken": None,
    "items": [{"id": "m1", "snippet": {"type": "textMessageEvent", "liveChatId": "Cg0", "publishedAt": "2025-01-14T16:08:06Z",
     "displayMessage": SAID["content"]}, "authorDetails": {"channelId": "UCa", "displayName": "Zoë"}}],
}  # fmt: skip
NOTICE = {
    "metadata": {"message_id": "d1", "message_type": "notification", "message_timestamp": "2025-01-14T16:08:06Z", "subscription_type": "channel.chat.message"},
    "payload": {"subscription": {"type": "channel.chat.message"}, "event": {"broadcaster_user_id": "7", "broadcaster_user_login": "ana",
     "chatter_user_id": "101", "chatter_user_name": "Zoë", "message_id": "m1", "message": {"text": SAID["content"]}}},
}  # fmt: skip
HEADERS = {"Content-Type": "application/json", "X-Request-Id": "r1"}


def javascript(value: object, depth: int = 0) -> str:
    """As ``console.log`` writes it, over several lines."""
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict):
        rows = [f"{inner}{key}: {javascript(one, depth + 1)}" for key, one in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{outer}}}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + javascript(one, depth + 1) for one in value) + f"\n{outer}]"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "undefined" if value is None else json.dumps(value)


def table(document: str) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(["1", document, "ana"])
    return written.getvalue()


def whole_request(document: str) -> str:
    lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    return base64.b64encode(f"POST /x HTTP/1.1\r\n{lines}\r\n{document}".encode()).decode()


CONTAINERS = {
    "docker": lambda one: json.dumps({"log": one + "\n", "stream": "stdout", "time": "2026-01-01T00:00:00Z"}),
    "journald": lambda one: json.dumps({"MESSAGE": one, "__REALTIME_TIMESTAMP": "1790000000001000", "_PID": "1"}),
    "cloud log": lambda one: json.dumps({"messageType": "DATA", "logEvents": [{"id": "1", "timestamp": 1, "message": one}]}),
    "cloud text": lambda one: json.dumps([{"insertId": "x", "textPayload": one, "timestamp": "2026-01-01T00:00:00Z"}]),
    "cloud object": lambda one: json.dumps({"insertId": "x", "jsonPayload": json.loads(one), "timestamp": "2026-01-01T00:00:00Z"}),
    "record": lambda one: json.dumps({"at": "2026-01-01T00:00:00Z", "payload": json.loads(one)}),
    "structured log": lambda one: json.dumps({"event": "received", "level": "info", "timestamp": "x", "payload": json.loads(one)}),
    "structured text": lambda one: json.dumps({"event": "received", "level": "info", "timestamp": "x", "raw": one}),
    "list of events": lambda one: json.dumps({"events": [json.loads(one)]}),
    "samples": lambda one: json.dumps({"a chat message": json.loads(one)}, indent=2),
    "printed": lambda one: javascript(json.loads(one)),
    "printed behind a word": lambda one: "received " + javascript(json.loads(one)),
    "printed on one line": lambda one: "got: " + " ".join(javascript(json.loads(one)).split()),
    "table": table,
    "example": lambda one: f"```json\n{json.dumps(json.loads(one), indent=2)}\n```\n",
    "titles and times": lambda one: f"# a chat message\n// as it came\nchat message:\n2026-01-01 00:00:00\n{one}\nConnected (press CTRL+C to quit)\n",
    "logs of a container": lambda one: "\n".join(f"bot-1  | {line}" for line in json.dumps(json.loads(one), indent=2).split("\n")),
    "remarks": lambda one: json.dumps(json.loads(one), indent=2).replace("\n  ", " // it's {a} remark\n  ", 2).replace("\n}", ",\n}"),
    "parted": lambda one: f"-----\n{one}\n=====\n",
    "comma too many": lambda one: f"[\n{one},\n]",
    "curl": lambda one: f"* Connected to x (1.1.1.1) port 443\n> GET / HTTP/2\n> Host: x\n> \n< HTTP/2 200 \n< content-type: application/json\n< \n{one}",
    "titles": lambda one: "## Headers\n" + "".join(f"{name}: {value}\n" for name, value in HEADERS.items()) + f"\n**Body:**\n\n{one}",
    "inspector": lambda one: json.dumps(
        {"requests": [{"id": "x", "request": {"method": "POST", "headers": {"A": ["b"]}, "raw": whole_request(one)}, "response": {}}]}
    ),
    "request bin": lambda one: json.dumps({"data": [{"uuid": "u", "content": one, "headers": {"a": ["b"]}}], "total": 1}),
    "gateway": lambda one: json.dumps({"headers": HEADERS, "body": base64.b64encode(one.encode()).decode(), "isBase64Encoded": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize(("platform", "document"), [("kick", SAID), ("youtube", ANSWER), ("twitch", NOTICE)])
def test_a_payload_is_found_in_it_and_nothing_else(parse_capture, platform, document, name):
    events, complaints = parse_capture(platform, CONTAINERS[name](json.dumps(document)))
    assert ([(one["kind"], one["text"]) for one in events], complaints) == ([("message", SAID["content"])], [])


def test_words_that_somebody_wrote_are_named(parse_capture):
    for line in ("# it said {}", "// see @ana", "hello", "connected to the server"):
        assert len(parse_capture("kick", line)[1]) == 1


def test_a_line_of_chat_that_ends_like_the_beginning_of_a_document_is_a_line(parse_capture):
    lines = ["PRIVMSG #ana :look [", "* :tmi.twitch.tv CLEARCHAT #ana :zoe", ":zoe!zoe@zoe.tmi.twitch.tv PRIVMSG #ana :x {", "hm"]
    events, complaints = parse_capture("twitch", "\n".join(lines))
    assert [event["kind"] for event in events] == ["removed", "message"]
    assert complaints == ["line 1: unreadable: missing_author", "line 4: unreadable: bad_command"]


def test_headers_under_a_title_belong_to_the_body_under_the_next(parse_capture):
    headers = "Headers\n- Kick-Event-Type: “channel.followed”\n- Kick-Event-Message-Id: “w9”\n- Kick-Event-Message-Timestamp: 2026-01-01T00:00:00Z\n\nBody\n"
    body = {"broadcaster": {"user_id": 12, "channel_slug": "ana"}, "follower": {"user_id": 34, "username": "Zoë"}}
    [event], complaints = parse_capture("kick", headers + json.dumps(body, indent=2))
    assert (event["id"], event["at"], complaints) == ("kick:channel.followed:w9", "2026-01-01T00:00:00Z", [])


def test_an_empty_line_of_a_server_sent_event_is_no_title(parse_capture):
    events, complaints = parse_capture("kick", f"event: x\ndata:\ndata: {json.dumps(SAID)}\n\n")
    assert ([one["text"] for one in events], complaints) == ([SAID["content"]], [])


# --- what was printed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "document"),
    [
        ("{ a: 1, 'b-c': \"it's\", d: [ 'x', null, undefined ], e: true }", {"a": 1, "b-c": "it's", "d": ["x", None, None], "e": True}),
        ("{ a: [Object], b: [Function: x], c: <Buffer 01>, d: 12n, e: NaN }", {"a": None, "b": None, "c": None, "d": 12, "e": None}),
        ("event ChatEvent {\n  at: 2026-01-01T00:00:00.000Z,\n  text: 'one ' +\n    'two',\n}", {"at": "2026-01-01T00:00:00.000Z", "text": "one two"}),
        ("{ a: 'App\\\\Events\\\\X', b: `say \"hi\"`, c: 'é\\u00e9\\n' }", {"a": "App\\Events\\X", "b": 'say "hi"', "c": "éé\n"}),
        ("x: { a: 1 } and more", {"a": 1}),
    ],
)  # fmt: skip
def test_what_javascript_printed_is_read(printed, document):
    assert [json.loads(one) for one in in_javascript(printed.encode())] == [document]


@pytest.mark.parametrize("text", ["{ a: ", "{ a: @ }", "hello: { world", '{"a": 1}', "a {b} c", "{ a: 1, }}}", "{ a: 1"])
def test_what_javascript_did_not_print_is_not_guessed(text):
    assert [json.loads(one) for one in in_javascript(text.encode())] in ([], [{"a": 1}])
    assert in_python(text.encode()) == []


def test_samples_under_names_are_only_taken_when_nothing_else_lies_beside_them():
    assert [json.loads(one) for one in named(b'{"x": {"a": 1}, "y": [{"a": 2}, {"a": 3}]}')] == [{"a": 1}, {"a": 2}, {"a": 3}]
    for other in (b'{"x": {"a": 1}, "id": "z"}', b'{"x": {}}', b"{}", b'[{"a": 1}]', b'{"x": []}', b"no"):
        assert named(other) == []


def test_a_document_that_lacks_something_is_not_searched_for_pieces(parse_capture):
    events, complaints = parse_capture("kick", {"broadcaster": SAID["broadcaster"], "sender": SAID["sender"]})
    assert (len(events) + len(complaints)) == 1


def test_a_list_in_which_one_is_no_request_is_no_list_of_requests():
    assert requests(b'{"data": [{"headers": {}, "content": "{}"}, {"x": 1}]}') == []
    assert requests(b'{"data": [], "headers": {}}') == []


def test_of_a_line_kept_beside_what_was_made_of_it_only_the_line_is_taken():
    kept = {"raw": ":a!a@a PRIVMSG #b :x", "text": '{"no": 1}', "timestamp": 1}
    assert inside(json.dumps(kept).encode()) == [b":a!a@a PRIVMSG #b :x"]


def test_remarks_are_left_out_of_a_document_and_not_out_of_its_words():
    written = b'{"a": "http://x, /* y */ ,}", // one\n "b": [1, 2,], /* two\n lines */ "c": {"d": 1,},}'
    assert [json.loads(one) for one in without_remarks(written)] == [{"a": "http://x, /* y */ ,}", "b": [1, 2], "c": {"d": 1}}]
    for other in (b"{", b"no", b'{"a": }', b'"a" // b', b"{// x"):
        assert without_remarks(other) == []
