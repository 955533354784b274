"""What a person captured is cut into payloads by its shape, and `monitor parse` reads it however it was saved."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from monitor.__main__ import main
from monitor.captured import Payload, is_between, lines_of, payloads

CONFIG = '[event]\nname = "Test"\ntimezone = "UTC"\n'
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=4)


def cut(text: str | bytes) -> list[Payload]:
    raw = text.encode() if isinstance(text, str) else text
    return list(payloads((n, line.rstrip(b"\r")) for n, line in enumerate(lines_of(raw), 1)))


@given(st.lists(st.tuples(DOCUMENTS, st.sampled_from((None, 1, 2, 4, "\t")), st.sampled_from(("\n", "\n\n", "\r\n", "\n \n")))))
def test_documents_come_out_as_they_went_in_however_they_were_printed(written):
    text = "".join(json.dumps(document, indent=indent) + end for document, indent, end in written)
    assert [json.loads(found.raw) for found in cut(text)] == [document for document, _, _ in written]


@given(st.binary(max_size=300))
@example(b":")
def test_no_line_is_lost_but_what_only_stands_between_payloads(raw):
    lines = [line.rstrip(b"\r") for line in lines_of(b"x" + raw)]
    assume(not any(is_between(line) for line in lines))
    found = b"\n".join(payload.raw for payload in cut(b"x" + raw))
    nothing = b"\t\n\x0b\x0c\r ,\xef\xbb\xbf"
    assert found.translate(None, nothing) == (b"x" + raw).translate(None, nothing)


@pytest.mark.parametrize("line", ["PRIVMSG #a :x:", ":a!b@c PRIVMSG #a :bye", "data: x:", '{"a": 1}', "a b", "x@y:"])
def test_what_a_platform_may_have_said_stands_between_nothing(line):
    assert not is_between(line.encode())


def test_what_was_cut_off_does_not_take_the_lines_behind_it_with_it():
    found = cut('{"a": {\n{"b": 1}\n{"c": [1,\n{"d": 2}\n')
    assert [payload for payload in found if payload.raw == b'{"b": 1}'] == [Payload(2, b'{"b": 1}')]
    assert Payload(4, b'{"d": 2}') in found
    assert len(found) == 4


def test_a_list_over_several_lines_is_one_payload_with_its_items():
    (found,) = cut('[\n{"a": 1},\n{"b": "]"}\n]\n')
    assert found.number == 1
    assert [json.loads(part) for part in found.parts()] == [{"a": 1}, {"b": "]"}]


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_of_an_answer_that_was_still_open_what_is_whole_is_read(indent):
    """YouTube's held response is one list that only ends with the chat."""
    pages = [{"items": [{"id": "]"}]}, {"nextPageToken": "b", "items": []}, {"items": [{"id": "c"}]}]
    text = json.dumps(pages, indent=indent)
    (found,) = cut(text.rstrip("]\n "))
    assert [json.loads(part) for part in found.parts()[:2]] == pages[:2]
    (found,) = cut(text[: text.index("nextPage")])
    first, broken = found.parts()
    assert json.loads(first) == pages[0]
    assert broken.startswith(b"{")


def test_the_lines_of_a_server_sent_event_are_one_payload():
    found = cut(':hi\nevent: update\ndata: {"a":\ndata: 1}\n\nid: 5\ndata: {"b": 2}')
    assert [payload.raw for payload in found] == [b'event: update\ndata: {"a":\ndata: 1}', b'id: 5\ndata: {"b": 2}']
    assert found[0].parts() == [b'{"a":\n1}']


def test_what_keeps_a_source_of_events_open_is_no_payload_and_a_line_of_chat_that_begins_like_it_is_one():
    assert cut(":ok\n:\n: keep-alive 5\n:thump") == []
    chat = [":tmi.example 001 ana :hi", ":a!a@a.example PRIVMSG #b :hi", ":tmi.example CAP * ACK :x"]
    assert [found.raw.decode() for found in cut("\n".join(chat))] == chat


def test_chat_lines_that_begin_with_a_colon_or_a_bracket_are_payloads_each():
    lines = [":a!a@a PRIVMSG #b :{", "PING :x", "[12:00] <a> hi"]
    assert [payload.raw.decode() for payload in cut("\n".join(lines))] == lines


@pytest.fixture
def parse(tmp_path, capsysbinary):
    (tmp_path / "config.toml").write_text(CONFIG)

    def typed(platform: str, given: bytes):
        (tmp_path / "given").write_bytes(given)
        code = main(["parse", platform, str(tmp_path / "given"), "--config", str(tmp_path / "config.toml")])
        said = capsysbinary.readouterr()
        return code, [json.loads(line) for line in said.out.splitlines()], said.err.decode().splitlines()

    return typed


def request(body: bytes) -> bytes:
    return b"POST /hooks/x HTTP/1.1\nHost: monitor.example\nContent-Type: application/json\nX-Any: a:b\n\n" + body + b"\n"


def har(entry: dict) -> bytes:
    return json.dumps({"log": {"version": "1.2", "entries": [{"request": {}, "response": {}, **entry}]}}, indent=1).encode()


UPDATE = {
    "update_id": 1,
    "message": {"message_id": 5, "from": {"id": 7, "first_name": "Ana"}, "chat": {"id": -1001, "type": "group"}, "date": 1795151369, "text": "olá 奇瑞"},
}  # fmt: skip


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(UPDATE).encode(),
        json.dumps(UPDATE, indent=2).encode(),
        json.dumps(UPDATE, indent=2).replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + json.dumps(UPDATE, ensure_ascii=False).encode(),
        json.dumps(UPDATE, ensure_ascii=False, indent=1).encode("utf-16"),
        json.dumps([UPDATE]).encode(),
        b"\n\n" + json.dumps([UPDATE], indent=4).encode() + b"\n\n",
        json.dumps({"ok": True, "result": [UPDATE]}, indent=2).encode(),
        b"data: " + json.dumps(UPDATE).encode() + b"\n\n",
        json.dumps(json.dumps(UPDATE)).encode(),
        json.dumps(UPDATE["message"]).encode(),
        gzip.compress(json.dumps(UPDATE).encode() + b"\n"),
        gzip.compress(json.dumps(UPDATE, indent=2).encode())[:-4],
        b"2026-11-20T12:00:00.123Z " + json.dumps(UPDATE).encode(),
        b"[12:00:01] [INFO] received: " + json.dumps([UPDATE]).encode() + b" (212 bytes)",
        b"2026-11-20 12:00:00,123 DEBUG body = " + json.dumps(UPDATE, indent=2).encode(),
        b"< " + json.dumps(UPDATE).encode(),
        b"Body: " + json.dumps(UPDATE, indent=2).encode(),
        repr(json.dumps(UPDATE, ensure_ascii=False).encode()).encode(),
        repr(json.dumps(UPDATE, ensure_ascii=False) + "\r\n").encode(),
        repr({"ok": True, "none": None, "result": [UPDATE]}).encode(),
        f"2026-11-20 12:00:00 DEBUG update={UPDATE!r}".encode(),
        json.dumps({"ts": 1795151369.5, "logger": "hooks", "msg": json.dumps(UPDATE)}).encode(),
        json.dumps({"received_at": "2026-11-20T12:00:00Z", "payload": UPDATE}).encode(),
        json.dumps({"headers": {"Host": "x"}, "body": json.dumps(UPDATE)}).encode(),
        json.dumps([{"headers": [["host", "x"]], "method": "POST", "body": UPDATE}], indent=2).encode(),
        json.dumps({"request": {"method": "POST", "headers": {}, "body": json.dumps(UPDATE)}}).encode(),
        request(json.dumps(UPDATE).encode()),
        request(json.dumps(UPDATE, indent=2).encode()).replace(b"\n", b"\r\n"),
        request(json.dumps(UPDATE).encode()).partition(b"\n")[2],
        b"HTTP/2 200\ncontent-type: application/json\nserver: nginx\n\n" + json.dumps({"ok": True, "result": [UPDATE]}).encode(),
        har({"response": {"content": {"text": json.dumps(UPDATE)}}}),
        har({"response": {"content": {"text": base64.b64encode(json.dumps(UPDATE).encode()).decode(), "encoding": "base64"}}}),
        har({"request": {"headers": [{"name": "Host", "value": "x"}], "postData": {"text": json.dumps(UPDATE)}}}),
        har({"_webSocketMessages": [{"type": "send", "data": "{}"}, {"type": "receive", "opcode": 1, "data": json.dumps(UPDATE)}]}),
    ],
    ids=[
        "line", "pretty", "crlf", "bom", "utf-16", "list", "pretty list", "answer", "sse", "quoted", "bare message", "gzip", "gzip cut off",
        "log", "log with brackets", "log over several lines", "arrow", "label", "python bytes", "python text", "python document", "log of it", "log as json", "record", "record of texts",
        "records", "record of a request", "request", "request in crlf", "header lines", "answer with its header", "har answer",
        "har in base64", "har request", "har websocket",
    ],
)  # fmt: skip
def test_a_payload_is_read_however_it_was_saved(parse, written):
    code, (event,), complaints = parse("telegram", written)
    assert (code, complaints) == (0, [])
    assert (event["text"], event["id"]) == ("olá 奇瑞", "telegram:-1001:5")


def test_of_several_requests_each_body_has_its_own_headers():
    one, two = cut(b"".join(request(json.dumps({"n": n}).encode()).replace(b"a:b", str(n).encode()) for n in (1, 2)))
    assert [(json.loads(found.raw)["headers"]["x-any"], json.loads(found.raw)["body"]) for found in (one, two)] == [
        ("1", '{"n": 1}'), ("2", '{"n": 2}'),
    ]  # fmt: skip
    assert (one.number, two.number) == (6, 12)


def test_documents_on_one_line_are_payloads_each(parse):
    line = json.dumps(UPDATE) + json.dumps({**UPDATE, "message": {**UPDATE["message"], "message_id": 6}})
    code, events, complaints = parse("telegram", line.encode())
    assert (code, complaints) == (0, [])
    assert [event["id"] for event in events] == ["telegram:-1001:5", "telegram:-1001:6"]


def test_a_feed_is_one_payload_however_its_lines_are_broken():
    feed = '<?xml version="1.0"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n <entry>\n </entry>\n</feed>'
    assert [found.raw.decode() for found in cut(f"{feed}\n{feed}\n")] == [feed, feed]
    one = feed.replace("\n", " ")
    assert [found.raw.decode() for found in cut(f"{one}\n{one}")] == [one, one]
    assert cut(f"12:00 {one}")[0].parts() == [one.encode()]


def test_a_feed_that_was_cut_off_does_not_take_what_follows_with_it():
    assert [found.raw for found in cut('<feed xmlns="x">\n <entry>\n{"a": 1}\n<ana> hi\n')] == [
        b'<feed xmlns="x">\n <entry>', b'{"a": 1}', b"<ana> hi",
    ]  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "12:00:00 ", "[12:00:00] "])
def test_what_was_cut_off_or_is_broken_is_not_searched_for_its_whole_pieces(prefix):
    for broken in ('{"text": "a", "parent": {"text": "b"}', '{"a": {"text": "b"}, "c": x}', '{"a": "x, "parent": {"text": "b"}}'):
        assert cut(prefix + broken)[0].parts() == []


@pytest.mark.parametrize("text", ["{'a': open('x')}", "{'a': " + "[" * 5000, "{'a': {1, 2}}", "{'a'", "log {'a': b'x'}"])
def test_what_python_printed_and_is_no_document_is_nothing(text):
    assert cut(text)[0].parts() == []


def test_a_document_that_lacks_something_is_not_searched_for_readable_pieces():
    assert cut('{"kind": "x", "message": {"text": "a"}, "data": {"b": 1}, "text": "{ not json"}')[0].parts() == [b"{ not json"]
    assert cut('{"message": "somebody\'s words", "text": ":)"}')[0].parts() == []


def test_the_item_of_a_list_that_cannot_be_read_is_named(parse):
    code, events, complaints = parse("telegram", b"\n" + json.dumps([UPDATE, 5]).encode())
    assert (code, len(events)) == (1, 1)
    assert complaints == ["line 2, item 2: unreadable: not_an_object"]


def test_a_deletion_finds_the_post_that_came_before_it(parse):
    status = {
        "id": "9", "uri": "https://x.example/9", "created_at": "2026-10-17T12:00:00Z", "content": "<p>hi</p>", "account": {"acct": "ana"},
    }  # fmt: skip
    lines = [{"event": "update", "payload": json.dumps(status)}, {"event": "delete", "payload": "9"}]
    code, events, _ = parse("mastodon", b"\n".join(json.dumps(line).encode() for line in lines))
    assert (code, [event["kind"] for event in events]) == (0, ["message", "removed"])
    assert events[1]["target"] == events[0]["id"]


def test_anonymous_reactions_are_counted_from_one_total_to_the_next(parse):
    def total(count):
        about = {"chat": {"id": -1001, "type": "channel"}, "message_id": 5, "date": 1795151369}
        return {"update_id": count, "message_reaction_count": {**about, "reactions": [{"type": {"type": "emoji", "emoji": "🔥"}, "total_count": count}]}}  # fmt: skip

    code, events, _ = parse("telegram", b"\n".join(json.dumps(line).encode() for line in (UPDATE, total(2), total(5))))
    assert code == 0
    assert [event.get("count", 1) for event in events if event["kind"] == "reaction"] == [2, 3]
