"""What a partner sends who writes for us: each thing that happens as documents in our own shape (docs/webhooks.md). Pure."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connectors.simulator.lines import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.simulator.model import Sent, SimChannel

REMEMBERED: Final = 20_000
"""Messages whose author is known, for a ban."""
MOST_AT_ONCE: Final = 50
CURRENCY: Final = "EUR"


class Document(NamedTuple):
    """One document and what it counts as."""

    body: dict[str, Any]
    entries: Sequence[Entry] = ()


class Partner:
    """All channels of one section; remembers who wrote what."""

    def __init__(self, platform: str) -> None:
        self.platform = platform
        self._by_author: OrderedDict[str, tuple[int, str]] = OrderedDict()
        """Native id → room and author."""

    def documents(self, sent: Sent, channel: SimChannel) -> list[Document]:
        """Several where it is several things: a gift with words."""
        own, event = sent.native, f"{self.platform}:{sent.native}"
        head: dict[str, Any] = {"id": own, "at": moment(sent.at / 1000), "channel": channel.handle}
        if sent.member is not None:
            head["author"] = {"id": sent.member.user_id, "name": sent.member.display or sent.member.login}
        author = {"author": sent.member.user_id if sent.member else None}
        match sent.kind:
            case "message" | "copy" | "bits" | "resub" if sent.text is not None:
                said = [self._comment(sent, head, author)]
                return [*said, self._gift(sent, head, author)] if sent.kind == "bits" else said
            case "sub":
                return [Document({"type": "join", **head}, [Entry("notice", f"{event}:join", author)])]
            case "resub" | "subgift":
                return [
                    Document({"type": "reaction", **head, "reaction": "heart"}, [Entry("reaction", f"{event}:reaction", author)])
                ]
            case "mystery":
                return [Document({"type": "viewers", "channel": channel.handle, "at": head["at"], "value": 10 * sent.units})]
            case "raid":
                count = min(sent.units, MOST_AT_ONCE)
                entry = Entry("share", f"{event}:share", {**author, "units": count})
                return [Document({"type": "share", **head, "count": count}, [entry])]
            case "delete" if sent.target is not None:
                return [self._removed([sent.target.native], head)]
            case "ban" if sent.member is not None:
                about = (sent.room, sent.member.user_id)
                gone = [native for native, who in self._by_author.items() if who == about]
                for native in gone:
                    del self._by_author[native]
                return [self._removed(gone, head)] if gone else []
            case _:
                return []

    @staticmethod
    def state(channel: SimChannel, state: str, at: float) -> Document:
        """The channel goes ``live``, or its broadcast has ``ended``."""
        return Document({"type": state, "id": f"{channel.handle}-{state}-{at:.0f}", "channel": channel.handle, "at": moment(at)})

    def _comment(self, sent: Sent, head: dict[str, Any], author: dict[str, Any]) -> Document:
        assert sent.text is not None
        if sent.member is not None:
            self._by_author[sent.native] = (sent.room, sent.member.user_id)
            if len(self._by_author) > REMEMBERED:
                self._by_author.popitem(last=False)
        text = sent.text.text
        body = {"type": "comment", **head, "text": text, **({"language": sent.text.language} if sent.text.language else {})}
        return Document(
            body, [Entry("comment", f"{self.platform}:{sent.native}", {**author, "text": text, "topics": sent.text.topics})]
        )

    def _gift(self, sent: Sent, head: dict[str, Any], author: dict[str, Any]) -> Document:
        own = f"{sent.native}-gift"
        body = {"type": "gift", **head, "id": own, "name": "rose", "amount": f"{sent.units / 100:.2f}", "currency": CURRENCY}
        return Document(
            body, [Entry("gift", f"{self.platform}:{own}:gift", {**author, "amount": sent.units, "currency": CURRENCY})]
        )

    def _removed(self, natives: list[str], head: dict[str, Any]) -> Document:
        body = {
            "type": "removed",
            "channel": head["channel"],
            "at": head["at"],
            "target": natives if len(natives) > 1 else natives[0],
        }
        events = [f"{self.platform}:{native}" for native in natives]
        return Document(body, [Entry("removed", f"{event}:removed", {"target": event}) for event in events])


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
