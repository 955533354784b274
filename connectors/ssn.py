"""Social Stream Ninja: what an attendee's own browser extension or app shows of 100+ sites, over its relay.

Collected: messages of every site that the attendee has open, donations, memberships and gifts as the site shows them, follows, raids (as
shares), viewers and likes where the capture has them, deletions. Not collected: pictures, polls, auctions, overlay controls, and sites
listed in ``not_from`` because they are read directly.

API: the relay's websocket https://socialstream.ninja/docs/event-reference.html, checked 2026-11-20. The attendee switches on "Enable remote
API control" and "Send chat messages to API server".

Login: none beyond the session id, which is therefore a secret: whoever knows it can also inject messages and control the attendee's
overlays. It stands in the roster as handle and is shown nowhere; the source counts as self-reported.

Limits: one connection per session. A thousand sessions on the public relay need its author's consent; ``url`` may name a relay of one's own.

Resume: none, so a Gap is recorded.

Quirks: most senders say no time, their messages count when they arrive. Words are HTML unless ``textonly``. A donation is a display text ("3 roses",
"500 bits"): it is read leniently, and kept whole as the gift's name. Event names differ with the way of capturing; a name that is not
known is Unknown unless it carries a donation. Likes are totals of a site, kept apart per site. Without an id the same words of the
same person within five seconds are one message.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 — the configuration reads the options' types
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from connectors.mapping import compile_map
from connectors.proxy import Proxy  # noqa: TC001 — the configuration reads the options' types
from connectors.talk import Preset, TalkOptions

GIFT = {
    "as": "gift", "display": "/hasDonation", "needs": "/hasDonation", "amount": "/meta/amount", "currency": "/meta/currency",
    "count": ["/meta/tiktokGiftCount", "/meta/giftCount", "/meta/count"],
    "streak": "/meta/tiktokGiftStreakId", "streak_total": "/meta/tiktokGiftCount",
}  # fmt: skip
"""TikTok's combos are told again with each gift, with the number and the value so far."""
HOW_MANY = ["/meta/gift_count", "/meta/totalGifted", "/meta/total", "/meta/tokens/amount", "/total", "/subtitle"]
MEMBERSHIP = {"as": "gift", "name": "/event"}
MEMBERSHIPS = {**MEMBERSHIP, "count": HOW_MANY}
BITS = {
    "as": "gift",
    "name": "/event",
    "amount_minor": ["/meta/bits", "/bits"],
    "needs": ["/meta/bits", "/bits"],
    "const": {"currency": "BITS"},
}
PICTURE = {"as": "message", "text": "/meta/gifLabel", "const": {"text": ""}, "needs": "/contentimg", "unless": "/hasDonation"}
"""A sticker or a moving picture that somebody sent without words."""
DELETED = {
    "as": "removed",
    "scope": "/delete/type",
    "target": "/delete/meta/messageId",
    "target_here": "/delete/id",
    "target_author": ["/delete/userid", "/delete/username", "/delete/chatname"],
    "needs": "/delete",
}
BANNED = {
    "as": "removed",
    "target_author": ["/meta/userId", "/meta/userid", "/meta/channelId", "/meta/username", "/userid", "/username"],
}
SAID = ["message", PICTURE, GIFT]
ASKED = (*SAID, "skip")
FOLLOWED = {"as": "follow", "count": "/meta/count"}
"""Several at once are told as one."""
ABOUT_THE_SITE = (
    "viewer_updates",  # the same numbers again, of all sites together
    "follower_update", "subscriber_update", "view_update", "video_stats", "hype_train", "ad_break", "ad_request", "ad_schedule",
    "community_highlight", "recording_started", "recording_stopped", "scene_changed", "media_ended", "replay_buffer_saved",
    "giveaway_state", "monetization_update", "monetization_test",
    "giftredemption", "gift_recipient", "gifted_membership",  # the receiving end of a gift that was counted
    "giftfunded", "purchase", "merch", "watch_streak", "knock", "auction_update", "auction_started", "auction_ended", "new_bid", "product_sold",
    "commerce_update", "payment_succeeded", "payment_failed", "shopping_purchase", "monetization_reward", "sticker", "left", "user_leave",
    "guest_update", "shoutout", "notification", "follow_request", "poll", "goal_update", "room_pin",
)  # fmt: skip
MAP: Mapping[str, Any] = MappingProxyType(
    {
        "items": ["/dataReceived/overlayNinja", "/overlayNinja", "/contents", ""],
        "kind": ["/event", "/action"],
        "scope": "/type",
        "broadcast": "/type",  # keeps the totals of two sites in one session apart
        "id": ["/meta/messageId", "/meta/webhookId"],
        "id_here": "/id",  # the extension counts its messages, from a number by chance
        "skip_if": {"/private": [True], "/bot": [True], "/type": ["bot"]},
        "at": "/timestamp",
        "digest": ["/type", "/event", "/chatname", "/chatmessage", "/hasDonation", "/meta", "/delete", "/timestamp", "/action", "/value"],
        "same_within_seconds": 5,
        "author": ["/userid", "/username", "/chatname"],
        "author_name": "/chatname",
        "text": ["/reply", "/chatmessage"],  # of an answer without the words that it answers
        "reply_to": "/meta/reply/messageId",
        "html": True,
        "plain_if": {"/textonly": [True, "true", 1]},
        "value": ["/meta/viewers", "/meta/viewer_count", "/meta/count", "/meta"],
        "type_map": {
            "": [*SAID, DELETED],
            "false": [*SAID, DELETED],
            "message": SAID,
            "chat": SAID,
            "action": SAID,  # what a person says of himself, /me
            "reward": [*SAID, "skip"],  # words that came with a redemption of channel points
            "channel_points": [*SAID, "skip"],
            "redeem": [*SAID, "skip"],
            "viewer_update": "viewers",
            "likes_update": "level:reactions",
            **dict.fromkeys(("new_follower", "follow", "followed"), FOLLOWED),
            **dict.fromkeys(("joined", "join", "rejoined", "user_enter"), "join"),
            **dict.fromkeys(("question_new", "question", "emote"), ASKED),
            "raid": "share",
            "host": "share",
            "redirect": "share",
            "share": "share",
            "shared": "share",
            "reaction": {"as": "reaction", "reaction": ["/meta/reactionType", "/chatmessage"]},
            "like": {"as": "reaction", "count": ["/meta/likeCount", "/meta/count"]},
            "liked": {"as": "reaction", "count": ["/meta/likeCount", "/meta/count"]},
            **dict.fromkeys(("membermilestone", "membership_milestone", "member_milestone"), ("message", "skip")),
            **dict.fromkeys(
                (
                    "sponsorship", "sponsor", "new_subscriber", "subscriber", "subscribe", "subscribed", "subscription",
                    "membership", "new_member", "newmember", "new_membership", "new-membership",
                ),
                MEMBERSHIP,
            ),
            **dict.fromkeys(
                ("resub", "upgraded_membership", "upgraded-membership", "membership_upgrade"), ("message", MEMBERSHIP)
            ),
            "giftpurchase": {**MEMBERSHIPS, "skip_if": {"/type": ["twitch"]}},  # there each of them follows
            **dict.fromkeys(
                (
                    "subscription_gift", "subgift", "gifted", "gift_membership", "membership_gift", "giftmemberships",
                    "gifted_memberships", "community_gift",
                ),
                MEMBERSHIPS,
            ),
            "thankyou": GIFT,  # its words are the extension's
            "donation": ["message", GIFT, "skip"],
            "superchat": ["message", GIFT],
            "supersticker": GIFT,
            "jeweldonation": GIFT,
            "cheer": ["message", GIFT, {**BITS, "unless": "/hasDonation"}],
            "bits": ["message", GIFT, {**BITS, "unless": "/hasDonation"}],
            "powerup": BITS,
            "gift": [GIFT, {**MEMBERSHIPS, "unless": "/hasDonation"}],
            "giftcontribution": GIFT,
            "stream_online": "live",
            "stream_started": "live",
            "stream_offline": "ended",
            "stream_stopped": "ended",
            "live_chat_ended": "ended",
            "user_banned": BANNED,
            "true": [GIFT, "skip"],  # a notice of the site
            **dict.fromkeys(ABOUT_THE_SITE, "skip"),
            "*": [{"as": "message", "needs": "/hasDonation"}, GIFT],
        },
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The section ``[ssn]``; nothing must be filled in, the sessions stand in the roster."""

    url: str = "wss://io.socialstream.ninja/join/{native_id}/4"
    """Address of the relay; without ``{native_id}``, as that of the desktop app (ws://127.0.0.1:3000), the session is joined by a frame."""
    not_from: tuple[str, ...] = ()
    """Sites that are left out, as the extension calls them (``twitch``, ``youtube``), because the same attendee's channel is read directly."""
    map: Mapping[str, Any] = field(default_factory=dict)
    """Keys here replace those of the built-in map, see docs/webhooks.md."""
    ping_seconds: float = 20.0
    """A websocket ping that is not answered for so long means that the connection is dead."""
    mark_every_seconds: float = 1.0
    """How often the place is handed on from which a restart's gap begins."""
    connect_every_seconds: float = 1.0
    """Pause between two new connections: the relay is a free service."""
    proxy: Proxy | None = None
    """HTTP proxy, ``http://proxy.example:3128``; with a password as ``{ env = "…" }``. Left out: HTTPS_PROXY and NO_PROXY hold."""
    section: str = ""
    """Filled in from the name of the section; leave it out."""

    def __post_init__(self) -> None:
        compile_map(self.table())

    def table(self) -> dict[str, Any]:
        """The whole map."""
        skipped = {**MAP["skip_if"], "/type": [*MAP["skip_if"]["/type"], *self.not_from]}
        return {**MAP, "skip_if": skipped, **self.map}

    def talk(self) -> TalkOptions:
        """What this means to a websocket."""
        in_address = "{native_id}" in self.url or "{handle}" in self.url
        return TalkOptions(
            url=self.url, map=self.table(), on_open=() if in_address else ('{"join":"{native_id}","in":4,"out":1}',),
            ping_seconds=self.ping_seconds, mark_every_seconds=self.mark_every_seconds, proxy=self.proxy, section=self.section,
        )  # fmt: skip


class Ssn(Preset):
    """One session."""

    name = "ssn"
    options = Options
    usual_map = MAP
