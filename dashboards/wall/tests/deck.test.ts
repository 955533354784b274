import { describe, expect, test } from "vitest";
import type { Highlight } from "../src/lib/state";
import * as deck from "../src/remote/deck";
import { EMPTY, SETTLE_MS, UNDO_MS, type Deck } from "../src/remote/deck";

const one = (score: number, more: Partial<Highlight> = {}): Highlight => ({ text: `text ${score}`, at: "2026-11-20T12:00:00Z", score, state: "waiting", ...more });
const WAITING = { a: one(10), b: one(90), c: one(40) };
const open = (of: Deck, highlights: Record<string, Highlight> = WAITING): deck.Waiting[] => deck.waiting(highlights, of);
const begun = deck.dealt(EMPTY, open(EMPTY), 0);
const LATER = SETTLE_MS + 1;
const said = (what: deck.Decision = "approve"): Deck => deck.decided(begun, what, open(begun), LATER);

describe("messages that wait", () => {
  test("come best first, of equals the newest, and stay while they are read", () => {
    expect(open(EMPTY).map(({ id }) => id)).toEqual(["b", "c", "a"]);
    const equal = { x: one(5), y: one(5, { at: "2026-11-20T12:00:09Z" }), z: one(5, { state: "approved" }) };
    expect(open(EMPTY, equal).map(({ id }) => id)).toEqual(["y", "x"]);
    expect(begun.current).toBe("b");
    expect(deck.dealt(begun, open(begun, { d: one(99), ...WAITING }), 5)).toBe(begun);
  });

  test("one that is gone stays in its place until it is passed, and nothing can be said about it", () => {
    const { b: _, ...rest } = WAITING;
    expect(deck.dealt(begun, open(begun, rest), 5).current).toBe("b");
    expect(deck.decided(begun, "approve", open(begun, rest), LATER)).toBe(begun);
    expect(deck.passed(begun, open(begun, rest), LATER).current).toBe("c");
  });

  test("a second tap at once is not about the next message, which nobody has read", () => {
    const first = said();
    expect(first.current).toBe("c");
    expect(deck.decided(first, "approve", open(first), LATER + 20)).toBe(first);
    expect(deck.decided(first, "reject", open(first), 3 * LATER).said.map(({ id, decision }) => [id, decision])).toEqual([["b", "approve"], ["c", "reject"]]);
  });
});

describe("a decision", () => {
  const approved = { ...WAITING, b: one(90, { state: "approved" }) };
  const { b: _, ...without } = WAITING;

  test("is said again until it is answered, and is confirmed by the feed, not by the server", () => {
    let now = said();
    for (const status of [503, 0, 500, 429]) now = deck.answered(now, status);
    expect(deck.toSend(now)).toEqual({ id: "b", word: "approve" });
    expect(deck.confirmed(now, approved, 900)).toBe(now);
    now = deck.answered(now, 200);
    expect(deck.toSend(now)).toBeUndefined();
    expect(deck.confirmed(now, WAITING, 900).said[0]?.outcome).toBe("open");
    expect(deck.confirmed(now, approved, 900).said[0]?.outcome).toBe("done");
  });

  test("about what was taken back meanwhile ends as gone", () => {
    expect(deck.answered(said(), 404).said[0]?.outcome).toBe("gone");
    expect(deck.confirmed(deck.answered(said(), 200), without, 900).said[0]?.outcome).toBe("gone");
    expect(deck.confirmed(deck.answered(said("reject"), 200), without, 900).said[0]?.outcome).toBe("done");
    expect(deck.answered(said(), 403).said[0]?.outcome).toBe("refused");
  });

  test("is forgotten ten seconds later, but never before it was confirmed", () => {
    const taken = deck.answered(said(), 200);
    expect(deck.confirmed(taken, WAITING, 99 * UNDO_MS).said).toHaveLength(1);
    const done = deck.confirmed(taken, approved, 900);
    expect(deck.confirmed(done, approved, LATER + UNDO_MS - 1)).toBe(done);
    expect(deck.confirmed(done, approved, LATER + UNDO_MS).said).toEqual([]);
  });

  test("can be taken back for ten seconds, and the undo never overtakes it", () => {
    const first = said();
    expect(deck.undone(first, LATER + UNDO_MS)).toBe(first);
    let back = deck.undone(first, LATER + UNDO_MS - 1);
    expect(back.current).toBe("b");
    expect(deck.toSend(back)).toEqual({ id: "b", word: "approve" });
    back = deck.answered(back, 200);
    expect(deck.toSend(back)).toEqual({ id: "b", word: "undo" });
    back = deck.answered(back, 200);
    expect(deck.confirmed(back, approved, 2000).said).toHaveLength(1);
    expect(deck.confirmed(back, WAITING, 2000).said).toEqual([]);
    expect(open(back).map(({ id }) => id)).toContain("b");
  });

  test("what was not sent outlives a reload, whatever lay there before", () => {
    expect(deck.toSend(deck.restored(deck.saved(said())))).toEqual({ id: "b", word: "approve" });
    expect(deck.restored("nonsense")).toEqual(EMPTY);
    expect(deck.restored(null)).toEqual(EMPTY);
  });
});
