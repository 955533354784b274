import { describe, expect, test } from "vitest";
import { readMap } from "../src/lib/map";

const square = [[0, 0], [10, 0], [10, 10], [0, 0]];

describe("the approved map", () => {
  test("is drawn as it is, north up", () => {
    const map = readMap({ review: "GS(2026)1", places: [{ code: "BR", rings: [square, square] }, { code: "", rings: [square] }] })!;
    expect(map.review).toBe("GS(2026)1");
    expect(map.places[0]!.path).toBe("M0 0L10 0L10 -10L0 0ZM0 0L10 0L10 -10L0 0Z");
    expect(map.codes.has("BR")).toBe(true);
  });

  test("without its number, or with anything but numbers and codes, is no map", () => {
    for (const answer of [
      undefined,
      {},
      { review: "", places: [] },
      { review: "1", places: [{ code: "BR", rings: [[["0", 1]]] }] },
      { review: "1", places: [{ code: '"><script>', rings: [] }] },
      { review: "1", places: [{ code: "BR", rings: [[[1, 2, 3]]] }] },
      { review: "1", places: [null] },
    ]) {
      expect(readMap(answer)).toBeUndefined();
    }
  });
});
