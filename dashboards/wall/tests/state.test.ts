import { describe, expect, test } from "vitest";
import { applyPatch, isEmpty, nameIn, nextPicture, type Picture } from "../src/lib/state";

const picture: Picture = { epoch: "e", seq: 41, asOf: "2026-11-20T12:00:00Z", state: { livestreams: { live: 2 } } };
const delta = (seq: number, patch: unknown): string => JSON.stringify({ type: "delta", seq, as_of: "x", patch });

describe("applyPatch follows RFC 7396", () => {
  // Appendix A of the RFC; a target that is no object counts as an empty one.
  test.each([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("%j + %j = %j", (target, patch, result) => {
    expect(JSON.parse(JSON.stringify(applyPatch(target as never, patch as never)))).toEqual(result);
  });

  test("neither argument is altered and untouched parts are shared", () => {
    const target = { a: { x: 1 }, b: { y: 2 } };
    const result = applyPatch(target, { a: { x: 3 } }) as typeof target;
    expect(target).toEqual({ a: { x: 1 }, b: { y: 2 } });
    expect(result.b).toBe(target.b);
  });

  test("an id named __proto__ is an id", () => {
    const result = applyPatch({}, JSON.parse('{"__proto__":{"polluted":1}}')) as Record<string, unknown>;
    expect(Object.keys(result)).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

describe("nextPicture", () => {
  test("a delta with the next number continues the picture", () => {
    const next = nextPicture(picture, delta(42, { livestreams: { live: 3 } })) as Picture;
    expect([next.seq, next.state.livestreams?.live]).toEqual([42, 3]);
  });

  test.each([
    ["a missed number", delta(43, {})],
    ["a repeated number", delta(41, {})],
    ["a patch that is no object", delta(42, [])],
    ["a frame of another kind", JSON.stringify({ type: "other", seq: 42, as_of: "x" })],
    ["half a frame", delta(42, {}).slice(0, -3)],
    ["null", "null"],
    ["another version", JSON.stringify({ type: "snapshot", version: 2, seq: 1, as_of: "x", state: {} })],
  ])("%s is lost", (_, text) => expect(nextPicture(picture, text)).toBe("lost"));

  test("a delta before any snapshot is lost", () => expect(nextPicture(undefined, delta(42, {}))).toBe("lost"));

  test("a snapshot replaces the picture, whatever its number", () => {
    const text = JSON.stringify({ type: "snapshot", version: 1, epoch: "f", seq: 1, as_of: "x", state: { totals: {} } });
    const next = nextPicture(picture, text) as Picture;
    expect(next.epoch).toBe("f");
    expect(next.state.livestreams).toBeUndefined();
  });
});

test("before everything was counted once a frame has no as-of time, and that is no fault", () => {
  const text = JSON.stringify({ type: "snapshot", version: 1, epoch: "f", seq: 1, state: { health: {} } });
  expect(nextPicture(undefined, text)).toMatchObject({ seq: 1, asOf: undefined });
});

test("the wall is empty until a livestream is collected or something was counted", () => {
  expect(isEmpty({})).toBe(true);
  expect(isEmpty({ livestreams: { live: 0, quiet: 0, ended: 7 } })).toBe(true);
  expect(isEmpty({ livestreams: { quiet: 1 } })).toBe(false);
  expect(isEmpty({ totals: { comments: { total: 1, per_minute: 0 } } })).toBe(false);
});

test("a name is the wall's language, else any, else English, else what there is", () => {
  expect(nameIn({ en: "Hybrid", zh: "混动" }, "zh")).toBe("混动");
  expect(nameIn({ "*": "OMODA", en: "Omoda" }, "zh")).toBe("OMODA");
  expect(nameIn({ en: "Hybrid" }, "zh")).toBe("Hybrid");
  expect(nameIn({ fr: "Hybride" }, "zh")).toBe("Hybride");
  expect(nameIn("Summit", "zh")).toBe("Summit");
  expect(nameIn(undefined, "zh", "id")).toBe("id");
});
