"""What EventSub says of each thing that is sent in a simulated Twitch chat: the same native ids as its lines of IRC. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.simulator import irc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.simulator.irc import Place
    from connectors.simulator.model import Sent

_NOTICES = {"sub": "sub", "resub": "resub", "subgift": "sub_gift", "mystery": "community_sub_gift", "raid": "raid"}


def stamp(unix: float) -> str:
    """As Twitch writes times: nine digits after the second."""
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


def broadcaster(place: Place) -> dict[str, Any]:
    return {
        "broadcaster_user_id": place.room_id,
        "broadcaster_user_login": place.login,
        "broadcaster_user_name": place.login.capitalize(),
    }


def online(place: Place, stream: str, started: float) -> dict[str, Any]:
    began = f"{datetime.fromtimestamp(started, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {"id": stream, **broadcaster(place), "type": "live", "started_at": began}


def said(sent: Sent, place: Place, places: Sequence[Place | None]) -> tuple[str, dict[str, Any]] | None:
    """Type and event of one sent thing; None for what EventSub does not say."""
    member = sent.member
    if member is None:
        return None
    match sent.kind:
        case "message" | "bits" | "copy":
            source: dict[str, Any] = {"source_broadcaster_user_id": None, "source_message_id": None}
            if sent.kind == "copy" and sent.target is not None and (origin := places[sent.target.room]) is not None:
                source = {"source_broadcaster_user_id": origin.room_id, "source_message_id": sent.target.native}
            cheer = {"bits": sent.units} if sent.kind == "bits" else None
            event = _chat(sent, place) | source | {"message_type": "text", "cheer": cheer, "reply": None}
            return "channel.chat.message", event
        case "delete":
            assert sent.target is not None
            return "channel.chat.message_delete", broadcaster(place) | _target(sent) | {"message_id": sent.target.native}
        case "ban":
            return "channel.chat.clear_user_messages", broadcaster(place) | _target(sent)
        case kind if kind in _NOTICES:
            notice = _NOTICES[kind]
            event = _chat(sent, place) | {"chatter_is_anonymous": False, "system_message": "", "notice_type": notice, notice: {}}
            return "channel.chat.notification", event
        case _:
            return None


def _chat(sent: Sent, place: Place) -> dict[str, Any]:
    assert sent.member is not None
    text = irc.said(sent) if sent.text is not None else ""
    return broadcaster(place) | {
        "chatter_user_id": sent.member.user_id,
        "chatter_user_login": sent.member.login,
        "chatter_user_name": sent.member.display,
        "message_id": sent.native,
        "message": {
            "text": text,
            "fragments": [{"type": "text", "text": text, "cheermote": None, "emote": None, "mention": None}],
        },
        "color": "",
        "badges": [],
    }


def _target(sent: Sent) -> dict[str, Any]:
    assert sent.member is not None
    return {
        "target_user_id": sent.member.user_id,
        "target_user_login": sent.member.login,
        "target_user_name": sent.member.display,
    }
