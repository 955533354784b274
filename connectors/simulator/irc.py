"""What Twitch writes for each thing that is sent: pure functions from the crowd's words to lines of IRC with tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.simulator.model import Sent, SimChannel

HOST = "tmi.twitch.tv"
_PLANS = ("1000", "1000", "1000", "Prime", "2000", "3000")
CAPABILITIES = ("twitch.tv/tags", "twitch.tv/commands", "twitch.tv/membership")


class Place:
    """A channel as Twitch knows it."""

    __slots__ = ("login", "room_id")

    def __init__(self, channel: SimChannel, index: int) -> None:
        self.login = channel.handle.lower().lstrip("#@")
        native = channel.native_id or ""
        self.room_id = native if native.isdigit() else str(40_000_000 + index)


def welcome(nick: str) -> str:
    """The numerics after a login."""
    head = f":{HOST}"
    return (
        f"{head} 001 {nick} :Welcome, GLHF!\r\n{head} 002 {nick} :Your host is {HOST}\r\n{head} 003 {nick} :This server is rather new\r\n"
        f"{head} 004 {nick} :-\r\n{head} 375 {nick} :-\r\n{head} 372 {nick} :You are in a maze of twisty passages, all alike.\r\n"
        f"{head} 376 {nick} :>\r\n"
    )


def joined(nick: str, place: Place) -> str:
    """JOIN echo, ROOMSTATE (which confirms it) and the names."""
    channel = place.login
    return (
        f":{nick}!{nick}@{nick}.{HOST} JOIN #{channel}\r\n"
        f"@emote-only=0;followers-only=-1;r9k=0;room-id={place.room_id};slow=0;subs-only=0 :{HOST} ROOMSTATE #{channel}\r\n"
        f":{nick}.{HOST} 353 {nick} = #{channel} :{nick}\r\n:{nick}.{HOST} 366 {nick} #{channel} :End of /NAMES list\r\n"
    )


def too_many(channel: str) -> str:
    """More than 100 channels on one connection."""
    text = "You have joined too many channels. Leave one before joining another."
    return f"@msg-id=msg_concurrent_channel_limit_reached :{HOST} NOTICE #{channel} :{text}\r\n"


def line(sent: Sent, place: Place, places: Sequence[Place | None]) -> str:
    """The line of one sent thing; ``places`` are all channels by index, for Shared Chat."""
    match sent.kind:
        case "message" | "bits" | "copy":
            return _privmsg(sent, place, places)
        case "delete":
            return _clearmsg(sent, place)
        case "ban":
            return _clearchat(sent, place)
        case _:
            return _usernotice(sent, place)


def _privmsg(sent: Sent, place: Place, places: Sequence[Place | None]) -> str:
    member, text = sent.member, sent.text
    assert member is not None
    assert text is not None
    first = 1 if member.new and sent.at % 50 == 0 else 0  # most first-time authors have written in an earlier broadcast
    member.new = False
    source = ""
    if sent.kind == "copy" and sent.target is not None:
        origin = places[sent.target.room]
        source = (
            f"source-badges=;source-badge-info=;source-id={sent.target.native};source-room-id={origin.room_id if origin else ''};"
        )
    elif sent.shared:
        source = f"source-badges=;source-badge-info=;source-id={sent.native};source-room-id={place.room_id};"
    bits = f"bits={sent.units};" if sent.kind == "bits" else ""
    words, emotes = text.text[:500], text.emotes
    if sent.kind == "bits":
        words, emotes = f"Cheer{sent.units} {words}"[:500], ""
    if sent.at % 167 == 0:
        words = f"\x01ACTION {words}\x01"
    return (
        f"@{member.head}{bits}{member.middle}emotes={emotes};first-msg={first};flags=;id={sent.native};returning-chatter=0;"
        f"room-id={place.room_id};{source}tmi-sent-ts={sent.at};turbo=0;user-id={member.user_id};user-type= "
        f":{member.login}!{member.login}@{member.login}.{HOST} PRIVMSG #{place.login} :{words}\r\n"
    )


def said(sent: Sent) -> str:
    """The text as the reader must see it, without ACTION marks and with the cheer."""
    assert sent.text is not None
    return f"Cheer{sent.units} {sent.text.text}"[:500] if sent.kind == "bits" else sent.text.text[:500]


def _usernotice(sent: Sent, place: Place) -> str:
    member = sent.member
    assert member is not None
    name = member.display.strip() or member.login
    plan = _PLANS[sent.at % len(_PLANS)]
    words = f" :{sent.text.text[:500]}" if sent.text is not None else ""
    match sent.kind:
        case "sub":
            kind, extra, says = (
                "sub",
                f"msg-param-cumulative-months=1;msg-param-months=0;msg-param-sub-plan={plan};",
                "subscribed",
            )
        case "resub":
            kind, says = "resub", f"subscribed for {sent.units} months"
            extra = f"msg-param-cumulative-months={sent.units};msg-param-months=0;msg-param-sub-plan={plan};"
        case "mystery":
            kind, says = "submysterygift", f"is gifting {sent.units} Subs to the community!"
            extra = f"msg-param-mass-gift-count={sent.units};msg-param-origin-id={sent.native};msg-param-sub-plan=1000;"
        case "subgift":
            kind, says = "subgift", "gifted a Tier 1 sub!"
            origin = sent.target.native if sent.target is not None else sent.native
            who = f"guest{sent.native[-6:]}"
            extra = (
                f"msg-param-gift-months=1;msg-param-months=1;msg-param-origin-id={origin};msg-param-recipient-display-name={who};"
                f"msg-param-recipient-id={int(sent.native[-6:], 16)};msg-param-recipient-user-name={who};msg-param-sub-plan=1000;"
            )
        case _:
            kind, says = "raid", f"{sent.units} raiders have joined!"
            extra = f"msg-param-displayName={_escape(name)};msg-param-login={member.login};msg-param-viewerCount={sent.units};"
    return (
        f"@{member.head}{member.middle}emotes=;flags=;id={sent.native};login={member.login};msg-id={kind};{extra}room-id={place.room_id};"
        f"system-msg={_escape(f'{name} {says}')};tmi-sent-ts={sent.at};user-id={member.user_id};user-type= "
        f":{HOST} USERNOTICE #{place.login}{words}\r\n"
    )


def _clearmsg(sent: Sent, place: Place) -> str:
    target, member = sent.target, sent.member
    assert target is not None
    assert member is not None
    return (
        f"@login={member.login};room-id=;target-msg-id={target.native};tmi-sent-ts={sent.at} "
        f":{HOST} CLEARMSG #{place.login} :{said(target)}\r\n"
    )


def _clearchat(sent: Sent, place: Place) -> str:
    member = sent.member
    assert member is not None
    timeout = f"ban-duration={sent.seconds};" if sent.seconds is not None else ""
    return (
        f"@{timeout}room-id={place.room_id};target-user-id={member.user_id};tmi-sent-ts={sent.at} "
        f":{HOST} CLEARCHAT #{place.login} :{member.login}\r\n"
    )


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(";", "\\:").replace(" ", "\\s")


def without_tags(lines: bytes) -> bytes:
    """For a client that never asked for tags."""
    bare = (part.partition(b" ")[2] if part.startswith(b"@") else part for part in lines.split(b"\r\n"))
    return b"\r\n".join(bare)
