import { describe, expect, test } from "vitest";
import { movement, rank, REORDER_MS, settle } from "../src/lib/ranking";

const values = (v: Record<string, number>): Map<string, number> => new Map(Object.entries(v));

describe("settle", () => {
  const before = values({ a: 3, b: 2, c: 1 });

  test("a row must have led before to move", () => {
    expect(settle(["a", "b", "c"], before, values({ a: 3, b: 2, c: 9 }))).toEqual(["a", "b", "c"]);
    expect(settle(["a", "b", "c"], values({ a: 3, b: 2, c: 8 }), values({ a: 3, b: 2, c: 9 }))).toEqual(["c", "a", "b"]);
  });

  test("a row that is gone leaves, a new one enters where it belongs", () => {
    expect(settle(["a", "b", "c"], before, values({ a: 3, c: 1, d: 2 }))).toEqual(["a", "d", "c"]);
    expect(settle(["a", "b"], before, values({ a: 3, b: 2, e: 0 }))).toEqual(["a", "b", "e"]);
  });

  test("steady values end up sorted", () => {
    const steady = values({ a: 1, b: 5, c: 3, d: 4, e: 2 });
    expect(settle(["a", "b", "c", "d", "e"], steady, steady)).toEqual(["b", "d", "c", "e", "a"]);
  });
});

test("the order is considered every ten seconds at most, and steady from the third time on", () => {
  const first = rank(undefined, values({ a: 2, b: 1 }), 0);
  expect(rank(first, values({ a: 1, b: 2 }), REORDER_MS - 1)).toBe(first);
  const second = rank(first, values({ a: 1, b: 2 }), REORDER_MS);
  expect(second.order).toEqual(["b", "a"]);
  const third = rank(rank(second, values({ a: 1, b: 2 }), 2 * REORDER_MS), values({ a: 2, b: 1 }), 3 * REORDER_MS);
  expect(third.order).toEqual(["b", "a"]);
  expect(rank(third, values({ a: 2, b: 1 }), 4 * REORDER_MS).order).toEqual(["a", "b"]);
});

test("movement is against the oldest order remembered, ten minutes at most", () => {
  let ranking = rank(undefined, values({ a: 2, b: 1 }), 0);
  expect(movement(ranking).since).toBeUndefined();
  for (let t = 1; t <= 70; t += 1) ranking = rank(ranking, values({ a: 1, b: 2, c: 0.5 }), t * REORDER_MS);
  const moved = movement(ranking);
  expect(moved.since).toBe(10 * REORDER_MS);
  expect([moved.of("b"), moved.of("a"), moved.of("c")]).toEqual([0, 0, 0]);
  const early = movement(
    rank(
      rank(rank(undefined, values({ a: 2, b: 1 }), 0), values({ a: 1, b: 2, c: 9 }), REORDER_MS),
      values({ a: 1, b: 2, c: 9 }),
      2 * REORDER_MS,
    ),
  );
  expect([early.of("b"), early.of("a"), early.of("c")]).toEqual([0, -2, undefined]);
});
