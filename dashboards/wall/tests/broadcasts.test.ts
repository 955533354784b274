import { describe, expect, test } from "vitest";
import { addressed, BACK_MS, confirmedBy, listed, SAYS, toDecide, type Broadcast } from "../src/remote/broadcasts";
import { answered, dealt, decided, EMPTY, SETTLE_MS, toSend, undone, type Deck } from "../src/remote/deck";

const told = (...names: string[]): unknown => ({
  pending: names.map((name) => ({ livestream: `twitch:${name}`, broadcast: "7", platform: "twitch", title: name, url: "https://www.twitch.tv/a" })),
});
const list = (...names: string[]): Broadcast[] => listed(told(...names))!;
const NONE = new Map<string, Broadcast>();
const ids = (found: readonly Broadcast[]): string[] => found.map(({ text }) => text);
const LATER = SETTLE_MS + 1;

function accepted(): Deck {
  const open = list("a", "b");
  return decided(dealt(EMPTY, open, 0), "approve", open, LATER);
}

describe("the list", () => {
  test("keeps the server's order, and what is no list is none", () => {
    expect(ids(list("b", "a"))).toEqual(["b", "a"]);
    for (const nothing of [undefined, null, [], {}, { pending: "x" }]) expect(listed(nothing)).toBeUndefined();
    expect(listed({ pending: [null, {}, { livestream: "twitch:a" }, { livestream: 7, broadcast: "b" }] })).toEqual([]);
  });

  test("leads only to https, and its strings turn nothing around", () => {
    const read = (more: object): Broadcast => listed({ pending: [{ livestream: "l", broadcast: "b", ...more }] })![0]!;
    for (const url of ["javascript:alert(1)", "http://x.example", "//x.example", "data:text/html,x", 7, undefined]) expect(read({ url }).url).toBeUndefined();
    expect(read({ url: "https://x.example/a" }).url).toBe("https://x.example/a");
    expect(read({ title: "a\u202Eb" }).text).not.toContain("\u202E");
    expect([read({ country: "br" }).country, read({ country: "ZZ" }).country, read({ viewers: "9" }).viewers]).toEqual([undefined, undefined, undefined]);
  });
});

describe("what is said about a broadcast", () => {
  test("is sent as the server calls it", () => {
    const next = toSend(accepted())!;
    expect({ ...addressed(next.id), decision: SAYS[next.word] }).toEqual({ livestream: "twitch:a", broadcast: "7", decision: "accept" });
  });

  test("is confirmed when the list does not have it any more, not when the server answers", () => {
    const taken = answered(accepted(), 200);
    expect(ids(toDecide(list("a", "b"), taken, [], NONE))).toEqual(["b"]);
    expect(confirmedBy(taken, undefined, 900)).toBe(taken);
    expect(confirmedBy(taken, list("a", "b"), 900)).toBe(taken);
    expect(confirmedBy(taken, list("b"), 900).said[0]?.outcome).toBe("done");
    expect(confirmedBy(accepted(), list("b"), 900).said[0]?.outcome).toBe("open");
  });

  test("is taken back at once, before the list has it again, and given up when it never comes", () => {
    const done = confirmedBy(answered(accepted(), 200), list("b"), 900);
    const back = undone(done, 1000);
    const known = new Map(list("a").map((one) => [one.id, one]));
    expect(ids(toDecide(list("b"), back, [], known))).toEqual(["a", "b"]);
    expect(back.current).toBe("twitch:a 7");
    const sent = answered(back, 200);
    expect(confirmedBy(sent, list("b"), 1000).said).toHaveLength(1);
    expect(confirmedBy(sent, list("a", "b"), 1000).said).toEqual([]);
    expect(confirmedBy(sent, list("b"), LATER + BACK_MS).said).toEqual([]);
  });

  test("later puts it behind all others, the longest put off first", () => {
    expect(ids(toDecide(list("a", "b", "c"), EMPTY, ["twitch:b 7", "twitch:a 7", "twitch:x 7"], NONE))).toEqual(["c", "b", "a"]);
  });
});
