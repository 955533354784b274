// What a person says about the messages (or broadcasts) that wait: one at a time, every word of his sent until it is answered, and confirmed
// when the feed shows it. Pure: time is handed in.

import type { Highlight } from "../lib/state";

/** A decision can be taken back for so long. */
export const UNDO_MS = 10_000;
/** A tap on a message that has stood for less was meant for the one before it. */
export const SETTLE_MS = 350;

export type Decision = "approve" | "reject";
export type Word = Decision | "undo";

/** `open`: not confirmed yet; `gone`: there is no such message any more; `refused`: the server has said why. */
export type Outcome = "open" | "done" | "gone" | "refused";

export interface Said {
  id: string;
  text: string;
  language: string | undefined;
  decision: Decision;
  at: number;
  undone: boolean;
  /** How many of its words the server has taken: the decision, then perhaps the undo. */
  taken: number;
  outcome: Outcome;
}

export interface Deck {
  /** In the order in which they were said; the newest last. */
  said: readonly Said[];
  /** The message that is being read; it stays until something is said about it, though it be gone. */
  current: string | undefined;
  since: number;
}

export const EMPTY: Deck = { said: [], current: undefined, since: -Infinity };

/** What is decided about; `text` is what a person reads. */
export interface Card {
  id: string;
  text: string;
  language?: string;
}

export type Waiting = Highlight & { id: string };

/** Those that nobody has decided about, here or elsewhere: the best first, of equals the newest. */
export function waiting(highlights: Readonly<Record<string, Highlight>> | undefined, deck: Deck): Waiting[] {
  const decided = new Set(deck.said.filter(({ undone }) => !undone).map(({ id }) => id));
  return Object.entries(highlights ?? {})
    .flatMap(([id, one]) => (one?.state === "waiting" && typeof one.text === "string" && !decided.has(id) ? [{ ...one, id }] : []))
    .sort((a, b) => (b.score ?? 0) - (a.score ?? 0) || ((a.at ?? "") < (b.at ?? "") ? 1 : (a.at ?? "") > (b.at ?? "") ? -1 : a.id < b.id ? -1 : 1));
}

/** The next message when none is being read. Gives the same deck when nothing changes. */
export function dealt(deck: Deck, open: readonly Card[], now: number): Deck {
  if (deck.current !== undefined || open.length === 0) return deck;
  return { ...deck, current: open[0]!.id, since: now };
}

/** Away from a message that is gone. */
export function passed(deck: Deck, open: readonly Card[], now: number): Deck {
  return dealt({ ...deck, current: undefined }, open, now);
}

/** Says it about the message that is being read, and shows the next one. */
export function decided(deck: Deck, decision: Decision, open: readonly Card[], now: number): Deck {
  const message = open.find(({ id }) => id === deck.current);
  if (message === undefined || now - deck.since < SETTLE_MS) return deck;
  const { id, text, language } = message;
  const before = deck.said.filter((one) => one.id !== id || one.outcome === "open"); // a second word about it, after an undo
  const said: Said = { id, text, language, decision, at: now, undone: false, taken: 0, outcome: "open" };
  return dealt({ said: [...before, said], current: undefined, since: now }, open.filter((one) => one.id !== id), now);
}

/** The newest decision that can still be taken back. */
export function undoable(deck: Deck, now: number): Said | undefined {
  const newest = deck.said.findLast(({ undone, outcome }) => !undone && (outcome === "open" || outcome === "done"));
  return newest !== undefined && now - newest.at < UNDO_MS ? newest : undefined;
}

/** Takes the newest one back, and shows its message again. */
export function undone(deck: Deck, now: number): Deck {
  const one = undoable(deck, now);
  if (one === undefined) return deck;
  return { said: deck.said.map((other) => (other === one ? { ...one, undone: true, outcome: "open" } : other)), current: one.id, since: now };
}

/** What is to be sent next, the oldest first: one at a time, so that no undo overtakes what it takes back. */
export function toSend(deck: Deck): { id: string; word: Word } | undefined {
  const one = deck.said.find(({ outcome, taken, undone }) => outcome === "open" && taken < (undone ? 2 : 1));
  return one && { id: one.id, word: one.taken === 0 ? one.decision : "undo" };
}

/** The server's answer to `toSend`. What it did not take is said again, except where that would never help. */
export function answered(deck: Deck, status: number): Deck {
  const one = deck.said.find(({ outcome, taken, undone }) => outcome === "open" && taken < (undone ? 2 : 1));
  if (one === undefined) return deck;
  const next: Said | undefined =
    status === 200
      ? { ...one, taken: one.taken + 1 }
      : status === 404
        ? { ...one, outcome: "gone" }
        : status === 400 || status === 403
          ? { ...one, outcome: "refused" }
          : undefined;
  return next === undefined ? deck : { ...deck, said: deck.said.map((other) => (other === one ? next : other)) };
}

/** A frame shows what stands; what was confirmed long enough ago is forgotten. Gives the same deck when nothing changes. */
export function confirmed(deck: Deck, highlights: Readonly<Record<string, Highlight>> | undefined, now: number): Deck {
  return settled(deck, now, (one) => {
    const state = highlights?.[one.id]?.state;
    if (one.undone) return state === "waiting" || state === undefined ? "done" : "open";
    if (one.decision === "approve") return state === "approved" ? "done" : state === undefined ? "gone" : "open";
    return state === "waiting" ? "open" : "done";
  });
}

/** `seen`: what is seen of a word that the server has taken. */
export function settled(deck: Deck, now: number, seen: (one: Said) => Outcome): Deck {
  let changed = false;
  const said = deck.said.flatMap((one, i): Said[] => {
    if (one.undone && one.taken === 2 && deck.said.some(({ id }, j) => j > i && id === one.id)) {
      changed = true; // there is a newer word about it
      return [];
    }
    if (one.outcome === "open" && one.taken === (one.undone ? 2 : 1)) {
      const outcome = seen(one);
      if (outcome !== "open") {
        changed = true;
        return outcome === "done" && one.undone ? [] : [{ ...one, outcome }];
      }
    }
    if (one.outcome !== "open" && now - one.at >= UNDO_MS) {
      changed = true;
      return [];
    }
    return [one];
  });
  return changed ? { ...deck, said } : deck;
}

/** What of a deck outlives a reload of the page: every word that nobody has taken yet. */
export function saved(deck: Deck): string {
  return JSON.stringify(deck.said.filter(({ outcome }) => outcome === "open"));
}

export function restored(text: string | null): Deck {
  try {
    const said: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(said) ? { ...EMPTY, said: said as Said[] } : EMPTY;
  } catch {
    return EMPTY;
  }
}
