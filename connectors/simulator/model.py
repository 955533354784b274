"""The words of the simulator: a channel to simulate, a member of its crowd, and one thing that was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from random import Random

    from connectors.simulator.texts import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class SimChannel:
    """One channel of the roster, as far as the simulator must know it."""

    livestream: str
    """The roster's channel id; written into the ledger."""
    platform: str
    """A name of platform.py's table."""
    handle: str
    """As the roster has it: a login, slug or handle without the @."""
    native_id: str | None = None
    """The platform's own id of it; invented from the handle when None."""
    country: str | None = None
    """ISO 3166-1 alpha-2, or None when the roster does not say."""
    language: str = "en"
    """BCP 47; only its first part matters."""
    tags: frozenset[str] = frozenset()


Kind = Literal[
    "message", "bits", "sub", "resub", "subgift", "mystery", "raid", "delete", "ban", "copy", "post", "like", "strange"
]
"""``copy`` is a Shared Chat copy, ``strange`` a stranger's post without livestream; the rest are what the platforms call them."""


class Member:
    """A person of the crowd in one room; ``left`` messages are still to come from them."""

    __slots__ = ("display", "gave", "head", "known", "left", "login", "middle", "new", "subscriber", "user_id")

    def __init__(self, user_id: str, login: str, display: str, left: int) -> None:
        self.user_id = user_id
        self.login = login
        self.display = display
        self.left = left
        self.new = True
        """Until their first message was sent."""
        self.gave = False
        """Has given or raided; such a person is never banned here, so that the oracle need not judge what becomes of the gift."""
        self.known = False
        """May be in several rooms, or twice in one; not banned either, for the same reason."""
        self.subscriber = False
        self.head = "badge-info=;badges=;"
        """Ready-made Twitch tags before and after ``bits``: an event must stay cheap."""
        self.middle = ""


class Sent:
    """One logical event on its way to whoever listens; ``native`` is the platform's id of it."""

    __slots__ = ("at", "kind", "member", "native", "room", "seconds", "shared", "target", "text", "units")

    def __init__(
        self,
        kind: Kind,
        at: int,
        native: str,
        room: int,
        member: Member | None = None,
        *,
        text: Text | None = None,
        units: int = 1,
        target: Sent | None = None,
        seconds: int | None = None,
    ) -> None:
        self.kind = kind
        self.at = at
        """Unix milliseconds; the platform's time."""
        self.native = native
        self.room = room
        """Index of the channel, −1 for none."""
        self.member = member
        self.text = text
        self.units = units
        """Bits, subscriptions or raiders."""
        self.target = target
        """The message that is deleted, copied or given within."""
        self.seconds = seconds
        """Length of a timeout; None = for good."""
        self.shared = False
        """Written in a Shared Chat: such an original says so too."""


_SYLLABLES = [
    "ka",
    "lo",
    "mi",
    "ra",
    "ten",
    "shi",
    "vor",
    "dex",
    "nel",
    "bo",
    "zu",
    "ar",
    "qui",
    "pan",
    "tor",
    "ly",
    "sen",
    "mar",
    "jo",
    "fi",
    "gus",
    "hel",
    "ri",
    "wan",
    "das",
    "pe",
    "ix",
    "ol",
    "ny",
    "cha",
]
_TAILS = ("", "", "_", "x", "tv", "_gg", "auto", "fan", "88", "_07", "99", "1", "2k", "_ev", "drive")
_LOCAL = {
    "zh": ("小鱼", "风语者", "电动侠", "阿杰", "夜航船", "橙子汽水"),
    "ru": ("Мишка", "Дальнобой", "Снежок", "Вектор", "Лада_не_едет"),
    "ja": ("さくら餅", "ねこぱんち", "車好き太郎"),
    "ko": ("하늘바다", "전기차좋아", "민트초코"),
    "ar": ("نسيم", "صقر_الليل", "قمر"),
    "th": ("น้องมะลิ", "แมวส้ม"),
}
_COLORS = ("", "", "#FF4500", "#1E90FF", "#8A2BE2", "#00FF7F", "#DAA520", "#008000", "#FF69B4", "#5F9EA0", "#B22222", "#004B49")


def make_member(dice: Random, number: int, language: str, left: int) -> Member:
    """A new person; ``number`` makes id and login unlike anybody else's."""
    user_id = str(100_000_000 + number)
    login = "".join(dice.choices(_SYLLABLES, k=2)) + dice.choice(_TAILS) + format(number, "x")
    draw = dice.random()
    display = login.capitalize() if draw < 0.5 else login
    if draw > 0.97 and language in _LOCAL:
        display = dice.choice(_LOCAL[language])
    elif draw < 0.002:
        display = ""  # happens in the wild; the login is then the only name
    member = Member(user_id, login, display, left)
    badge_info = badges = ""
    moderator = 0
    draw = dice.random()
    if draw < 0.35:
        months = int(1 + 40 * dice.random() ** 3)
        badge_info, badges, member.subscriber = f"subscriber/{months}", f"subscriber/{min(months, 24)}", True
        if draw < 0.03:
            badges, moderator = f"moderator/1,{badges}", 1
    elif draw < 0.45:
        badges = "premium/1"
    member.head = f"badge-info={badge_info};badges={badges};"
    tag_name = display.replace("\\", "\\\\").replace(";", "\\:").replace(" ", "\\s")
    member.middle = f"color={dice.choice(_COLORS)};display-name={tag_name};mod={moderator};subscriber={int(member.subscriber)};"
    return member
