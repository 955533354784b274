// Live broadcasts about which somebody must decide, as /api/pending lists them: titles and reasons are words of strangers. Pure.

import { clean } from "../lib/text";
import { instant } from "../lib/time";
import { settled, type Card, type Deck, type Word } from "./deck";

/** What was taken back is waited for so long; then its broadcast is over. */
export const BACK_MS = 30_000;

/** As the server calls them. */
export const SAYS: Readonly<Record<Word, string>> = { approve: "accept", reject: "ignore", undo: "ask" };

export interface Broadcast extends Card {
  livestream: string;
  broadcast: string;
  platform: string;
  handle: string;
  attendee: string;
  country: string | undefined;
  why: string;
  startedMs: number | undefined;
  viewers: number | undefined;
  /** Where it can be watched; https only. */
  url: string | undefined;
}

/** The list in its own order, most viewers first; undefined when it is no such thing. */
export function listed(told: unknown): Broadcast[] | undefined {
  const list = record(told)["pending"];
  if (!Array.isArray(list)) return undefined;
  return list.map(record).flatMap((one): Broadcast[] => {
    const [livestream, broadcast, country, url] = [text(one["livestream"]), text(one["broadcast"]), text(one["country"]), text(one["url"])];
    const viewers = one["viewers"];
    if (livestream === "" || broadcast === "") return [];
    return [
      {
        id: `${livestream} ${broadcast}`,
        text: clean(text(one["title"])),
        livestream,
        broadcast,
        platform: text(one["platform"]),
        handle: clean(text(one["handle"])),
        attendee: clean(text(one["attendee"])),
        country: /^[A-Z]{2}$/.test(country) && country !== "ZZ" ? country : undefined,
        why: clean(text(one["why"])),
        startedMs: instant(text(one["started_at"])),
        viewers: typeof viewers === "number" && Number.isFinite(viewers) ? viewers : undefined,
        url: URL.canParse(url) && new URL(url).protocol === "https:" ? url : undefined,
      },
    ];
  });
}

/** What of an id is sent. */
export function addressed(id: string): { livestream: string; broadcast: string } {
  const [livestream = "", broadcast = ""] = id.split(" ");
  return { livestream, broadcast };
}

/** Those that nobody has decided about here; what was put off comes last. One that was taken back is there before the list has it again. */
export function toDecide(list: readonly Broadcast[], deck: Deck, later: readonly string[], known: ReadonlyMap<string, Broadcast>): Broadcast[] {
  const decided = new Set(deck.said.filter(({ undone }) => !undone).map(({ id }) => id));
  const there = new Set(list.map(({ id }) => id));
  const back = deck.said.flatMap(({ id, undone, outcome }) => {
    const one = known.get(id);
    return undone && outcome === "open" && !there.has(id) && one !== undefined ? [one] : [];
  });
  const open = [...back, ...list].filter(({ id }) => !decided.has(id));
  return [...open.filter(({ id }) => !later.includes(id)), ...later.flatMap((id) => open.filter((one) => one.id === id))];
}

/** A list that does not have it any more confirms a decision; one that has it again confirms that it was taken back. */
export function confirmedBy(deck: Deck, list: readonly Broadcast[] | undefined, now: number): Deck {
  if (list === undefined) return deck;
  const there = new Set(list.map(({ id }) => id));
  return settled(deck, now, ({ id, undone, at }) => (undone ? there.has(id) || now - at >= BACK_MS : !there.has(id)) ? "done" : "open");
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
