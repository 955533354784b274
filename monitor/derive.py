"""From journal entries to increments: a pure function of (entry, derivation config), the same on every replay.

No clock, no Redis, no dice. What an entry counts for is ``Where``'s; a batch's sums, and what retractions take back, are in ``Sums``.
What a retraction needs to know about earlier entries is handed in as ``originals``; what must be remembered (retracted ids, bans) is in
``Memory``, and levels are commit's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.choose import language_of, score, script_of
from monitor.derive_memory import NO_ORIGINALS, Memory, Originals
from monitor.derive_sums import Sums
from monitor.derive_where import Where
from monitor.windows import Highlight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.derive_sums import Batch
    from monitor.entry import Entry

EXAMINED = 24
"""Messages of a batch that are looked at for a wall."""
OFFERED = 2
"""Of a partition and second; every partition has some, so that busy livestreams leave room for the others."""
OFFER_MS = 1000


class Deriver(Where):
    """Where entries count, and what a batch of them comes to."""

    def batch(
        self,
        version: int,
        entries: Sequence[Entry],
        memory: Memory,
        originals: Originals = NO_ORIGINALS,
        *,
        journal_ms: int | None = None,
        position: str = "",
    ) -> Batch:
        """Increments of these entries, in order. Changes ``memory``; drop it when the commit fails.

        ``journal_ms`` is when the journal got the last of them (Unix ms): what was received long before is a recording, not live.
        ``position`` is the journal id of the last of them.
        """
        sums = Sums(self, memory, originals)
        sums.track = any(entry.kind == "removed" for entry in entries)
        cells, find, languages_of = sums.cells, self._matcher.match, self._languages
        check = bool(memory.removed or memory.bans)
        for entry in entries:
            if check and memory.blocks(entry):
                if entry.id not in memory.removed:
                    sums.mark(entry.id)  # kept out by a ban: a later removal of it must take nothing back
                continue
            if entry.kind == "message":
                # The hot path: one look-up, one addition. Everything else happens once per cell, at the end.
                language, livestream = entry.language, entry.livestream
                languages = self.languages(language, livestream) if language else languages_of.get(livestream, ())
                found = find(entry.text, languages).topics
                key = (entry.at[:18], entry.received_at[:18], livestream, entry.platform, entry.form, found)
                cell = cells.get(key)
                if cell is None:
                    cell = sums.open(key)
                cell.units += 1
                author = entry.author
                if author is not None and author not in cell.known:
                    cell.known.add(author)
                    cell.fresh.append(author)
                if "#" in entry.text or "＃" in entry.text:
                    sums.tags.add(entry, self)
                if cell.is_placeless:
                    slot = self.moment(entry.at, entry.received_at)[0]
                    sums.guess(entry, self.containers(slot, None), 1)
            else:
                moment = self.moment(entry.at, entry.received_at)
                if not sums.countable(moment, entry):
                    sums.retract(moment, entry)
                    check = True
            if sums.track:
                sums.earlier[entry.id] = entry
        if journal_ms is None or not 0 <= journal_ms - memory.offered_ms < OFFER_MS:
            sums.highlights = self.highlights(entries, memory, position)
            if sums.highlights and journal_ms is not None:
                memory.offered_ms = journal_ms
        return sums.result(version, entries, journal_ms)

    def highlights(self, entries: Sequence[Entry], memory: Memory, position: str) -> list[Highlight]:
        """The best few of some of the messages, each of another livestream and with other words."""
        found: list[Highlight] = []
        for entry in entries[:: max(1, len(entries) // EXAMINED)]:
            if entry.kind != "message" or entry.livestream is None or entry.platform in self.outside or memory.blocks(entry):
                continue
            place = self.config.livestreams.get(entry.livestream)
            if place is None or not 4 <= len(entry.text) <= 180:
                continue
            topics = self.topics(entry)
            if (worth := score(entry.text, len(topics))) > 0:
                script = script_of(entry.text)
                found.append(
                    Highlight(
                        entry.id, entry.text, entry.livestream, entry.platform, place.country or "ZZ", entry.at, position,
                        language=language_of(script, entry.language, place.language), name=entry.author_name or "",
                        author=entry.author or "", topics=list(topics), score=worth, script=script,
                    )
                )  # fmt: skip
        found.sort(key=lambda one: (-one.score, one.id))
        chosen = found[:1]
        for one in found[1:]:
            if len(chosen) < OFFERED and all(one.livestream != other.livestream and one.text != other.text for other in chosen):
                chosen.append(one)
        return chosen
