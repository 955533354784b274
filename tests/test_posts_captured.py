"""Posts of Bluesky and of the servers that speak like Mastodon, in what APIs, libraries and other servers make of them."""

from __future__ import annotations

import json

import pytest

from connectors.bluesky import Bluesky
from connectors.connector import Tools, Unreadable, make_pseudonym
from connectors.event import Follow, Message, Reaction, Removed, Share
from connectors.mastodon import Mastodon

DID, BO = "did:plc:ana", "did:plc:bo"
URI = f"at://{DID}/app.bsky.feed.post/3k"
RECORD = {"$type": "app.bsky.feed.post", "createdAt": "2026-10-17T12:00:00Z", "text": "hi", "langs": ["pt"]}
VIEW = {
    "uri": URI, "cid": "b", "author": {"did": DID, "handle": "ana.example", "displayName": "Ana"}, "record": RECORD, "likeCount": 3,
    "indexedAt": "2026-10-17T12:00:01Z",
}  # fmt: skip
FRAME = {
    "did": DID, "time_us": 1792238401000000, "kind": "commit",
    "commit": {"rev": "3r", "operation": "create", "collection": "app.bsky.feed.post", "rkey": "3k", "record": RECORD},
}  # fmt: skip


@pytest.fixture
def tools(clock):
    return Tools(pseudonym=make_pseudonym(b"posts"), now=clock.now)


@pytest.fixture
def bluesky(tools):
    return lambda document: Bluesky.parse(json.dumps(document).encode(), tools)


@pytest.fixture
def mastodon(tools):
    return lambda document: Mastodon.parse(json.dumps(document).encode(), tools)


def told(events: list) -> list[tuple]:
    return [(type(one), one.id, one.livestream, one.author) for one in events]


@pytest.mark.parametrize(
    "shape",
    [
        VIEW,
        {"posts": [VIEW]},
        {"posts": [VIEW], "hitsTotal": 1, "cursor": "25"},
        {"feed": [{"post": VIEW}], "cursor": "x"},
        {"thread": {"$type": "app.bsky.feed.defs#threadViewPost", "post": VIEW, "replies": []}},
        {"uri": URI, "cid": "b", "value": RECORD},
        {"records": [{"uri": URI, "cid": "b", "value": RECORD}]},
        {"repo": DID, "rev": "3r", "seq": 5, "time": "2026-10-17T12:00:01Z", "ops": [{"action": "create", "path": "app.bsky.feed.post/3k", "record": RECORD}]},
        {"event": "create", "did": DID, "collection": "app.bsky.feed.post", "rkey": "3k", "record": RECORD, "time": "2026-10-17T12:00:01Z", "uri": URI},
        {"id": 12, "type": "record", "record": {"did": DID, "collection": "app.bsky.feed.post", "rkey": "3k", "action": "create", "record": RECORD}},
        {"notifications": [{**VIEW, "reason": "mention", "isRead": False}]},
        {**FRAME, "time_us": 1792238401000},
    ],
    ids=["view", "posts", "search", "feed", "thread", "record", "records", "firehose", "flat", "tap", "notification", "milliseconds"],
)  # fmt: skip
def test_bluesky_a_post_is_the_same_however_it_is_told(bluesky, shape):
    [frame], [post] = bluesky(FRAME), bluesky(shape)
    assert told([post]) == told([frame])
    assert (post.text, post.language, post.url) == (frame.text, frame.language, frame.url)
    assert post.at.year == 2026


def test_bluesky_a_thread_is_read_to_its_ends(bluesky):
    answer = {**VIEW, "uri": f"at://{BO}/app.bsky.feed.post/4", "author": {"did": BO, "handle": "bo.example"}}
    thread = {
        "thread": {
            "post": VIEW,
            "parent": {"post": {**VIEW, "uri": URI + "0"}},
            "replies": [{"post": answer, "replies": []}, {"notFound": True}],
        }
    }
    assert {one.id for one in bluesky(thread)} == {f"bluesky:{URI}", f"bluesky:{URI}0", f"bluesky:at://{BO}/app.bsky.feed.post/4"}


def test_bluesky_what_was_done_with_a_post_is_its_authors(bluesky):
    reason = {
        "$type": "app.bsky.feed.defs#reasonRepost",
        "by": {"did": BO, "handle": "bo.example"},
        "indexedAt": "2026-10-17T12:01:00Z",
    }
    likes = {"uri": URI, "likes": [{"actor": {"did": BO, "handle": "bo.example"}, "createdAt": "2026-10-17T12:00:00Z"}]}
    notes = {
        "notifications": [
            {"uri": f"at://{BO}/app.bsky.feed.like/1", "author": {"did": BO}, "reason": "like", "reasonSubject": URI, "record": {}, "indexedAt": "2026-10-17T12:00:00Z"},
            {"uri": f"at://{BO}/app.bsky.graph.follow/1", "author": {"did": BO}, "reason": "follow", "record": {"subject": DID}, "indexedAt": "2026-10-17T12:00:00Z"},
        ]
    }  # fmt: skip
    for document, kinds in (
        ({"feed": [{"post": VIEW, "reason": reason}]}, [Share]),
        (likes, [Reaction]),
        (notes, [Reaction, Follow]),
    ):
        found = bluesky(document)
        assert ([type(one) for one in found], {one.livestream for one in found}) == (kinds, {f"bluesky:{DID}"})
        assert {one.author for one in found}.isdisjoint({None, bluesky(FRAME)[0].author})


def test_bluesky_deletions_and_accounts_of_the_firehose(bluesky):
    [gone] = bluesky({"repo": DID, "rev": "4r", "time": "2026-10-17T12:00:01Z", "ops": [{"action": "delete", "path": "app.bsky.feed.post/3k", "cid": None}]})  # fmt: skip
    assert (type(gone), gone.target) == (Removed, f"bluesky:{URI}")
    [left] = bluesky({"event": "account", "did": DID, "active": False, "status": "deleted", "time": "2026-10-17T12:00:01Z"})
    assert type(left) is Removed
    assert bluesky({"event": "identity", "did": DID, "handle": "ana.example"}) == []


def test_bluesky_of_several_the_unreadable_one_is_named_and_an_empty_answer_is_nothing(bluesky):
    found = bluesky({"posts": [VIEW, {**VIEW, "uri": URI + "0", "record": {"text": 5}}]})
    assert [one.id for one in found if isinstance(one, Message)] == [f"bluesky:{URI}"]
    assert [one.name for one in found if not isinstance(one, Message)] == ["unreadable missing_text"]
    assert bluesky({"feed": [], "cursor": "x"}) == []
    for nothing in ({"error": "InvalidRequest", "message": "x"}, {"posts": [{**VIEW, "record": {"text": 5}}]}):
        with pytest.raises(Unreadable):
            bluesky(nothing)


# --- Mastodon and its kin -----------------------------------------------------------------------------------------------

ANA = {"id": "1", "acct": "ana@x.example", "display_name": "Ana", "url": "https://x.example/@ana"}
AWAY = {"id": "2", "acct": "bo@other.example", "display_name": "Bo"}
STATUS = {
    "id": "115", "created_at": "2026-10-17T12:00:00Z", "uri": "https://x.example/115", "content": "<p>hi</p>", "account": ANA, "visibility": "public",
}  # fmt: skip


def test_mastodon_the_names_of_javascript_libraries(mastodon):
    camel = {
        "id": "115", "createdAt": "2026-10-17T12:00:00Z", "uri": "https://x.example/115", "content": "<p>hi</p>", "visibility": "public",
        "account": {"id": "1", "acct": "ana@x.example", "displayName": "Ana"}, "inReplyToId": None, "spoilerText": "",
    }  # fmt: skip
    assert mastodon(camel) == mastodon(STATUS)
    assert mastodon({"stream": ["hashtag", "x"], "event": "update", "payload": camel}) == mastodon(STATUS)
    boost = {
        "id": "116",
        "createdAt": "2026-10-17T12:01:00Z",
        "uri": "u",
        "account": {"acct": "bo@other.example"},
        "reblog": camel,
    }
    assert [(type(one), one.livestream) for one in mastodon(boost)] == [(Share, "mastodon:ana@x.example")]


def test_mastodon_grouped_notifications_are_what_their_people_did(mastodon):
    group = {
        "group_key": "favourite-1",
        "notifications_count": 3,
        "type": "favourite",
        "sample_account_ids": ["2", "9"],
        "status_id": "115",
    }
    answer = {
        "accounts": [AWAY],
        "statuses": [STATUS],
        "notification_groups": [group, {"type": "follow", "sample_account_ids": ["2"]}],
    }
    single = {"id": "9", "type": "favourite", "created_at": "2026-10-17T12:01:00Z", "account": AWAY, "status": STATUS}
    likes = [one for one in mastodon(answer) if isinstance(one, Reaction)]
    assert [one.id for one in likes] == [one.id for one in mastodon(single)]
    assert not any(isinstance(one, Message) for one in mastodon(answer)), "the post itself is old"
    retyped = {
        **answer,
        "accounts": [{**AWAY, "id": [[]]}, {**AWAY, "id": 2}],
        "notification_groups": [{**group, "sample_account_ids": [2, {}]}],
    }
    assert [one.id for one in mastodon(retyped) if isinstance(one, Reaction)] == [one.id for one in mastodon(single)]


NOTE = {
    "id": "9x", "createdAt": "2026-10-17T12:00:00.000Z", "user": {"username": "ana", "host": "mk.example", "name": "Ana"}, "text": "a <b> & c",
    "cw": None, "visibility": "public", "replyId": None, "renoteId": None, "uri": "https://mk.example/notes/9x",
}  # fmt: skip


def test_a_note_of_misskey_is_a_post_and_a_bare_renote_shares_one(mastodon):
    [post] = mastodon(NOTE)
    assert (type(post), post.text, post.livestream, post.id) == (
        Message,
        "a <b> & c",
        "mastodon:ana@mk.example",
        "mastodon:https://mk.example/notes/9x",
    )
    assert mastodon({"type": "channel", "body": {"id": "1", "type": "note", "body": NOTE}}) == [post]
    renote = {**NOTE, "id": "9y", "text": None, "uri": "https://mk.example/notes/9y", "renoteId": "9x", "renote": NOTE}
    assert [(type(one), one.livestream) for one in mastodon(renote)] == [(Share, "mastodon:ana@mk.example")]
    assert [type(one) for one in mastodon({**renote, "text": "look"})] == [Message]
    assert mastodon({**NOTE, "visibility": "followers"}) == mastodon({**NOTE, "visibility": "specified"}) == []


@pytest.mark.parametrize("code", ["und", "zxx", "mul"])
def test_mastodon_a_code_that_names_no_language_is_none(mastodon, code):
    assert mastodon({**STATUS, "language": code})[0].language is None


def test_mastodon_an_empty_search_is_nothing_and_a_list_of_something_else_is_unreadable(mastodon):
    assert mastodon({"accounts": [], "statuses": [], "hashtags": []}) == []
    with pytest.raises(Unreadable):
        mastodon([{"id": "1", "name": "x"}, "words"])


def test_mastodon_reactions_under_other_servers_names_and_quotes(mastodon):
    note = {"id": "9", "created_at": "2026-10-17T12:01:00Z", "account": AWAY, "status": STATUS}
    assert [one.reaction for one in mastodon({**note, "type": "emoji_reaction", "emoji": "🔥"})] == ["🔥"]
    assert [type(one) for one in mastodon({**note, "type": "quote"})] == [Message]
    assert [type(one) for one in mastodon({"event": "delete", "payload": {"id": "115"}})] == [Removed]
