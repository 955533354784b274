import { describe, expect, test } from "vitest";
import { limitsOf, keepOrRenew, median, step } from "../src/lib/scale";
import type { Measures } from "../src/lib/state";
import { COLUMNS, measureOf, NOT_DRAWN, rankable, readTiles, ROWS, TILES, world } from "../src/lib/world";

const country = (livestreams: number, perMinute: number): Measures => ({
  livestreams,
  engagement: { total: perMinute * 10, per_minute: perMinute },
});

describe("tiles.csv", () => {
  test("207 tiles, each code and each place once, all on the grid, named in both languages", () => {
    expect(TILES.length).toBe(207);
    expect(NOT_DRAWN).toBe(42);
    expect(new Set(TILES.map((t) => t.code)).size).toBe(207);
    expect(new Set(TILES.map((t) => `${t.row},${t.column}`)).size).toBe(207);
    for (const { code, row, column, names } of TILES) {
      expect(code).toMatch(/^[A-Z]{2}$/);
      expect(row >= 0 && row < ROWS && column >= 0 && column < COLUMNS).toBe(true);
      expect(names.en && names.zh).toBeTruthy();
    }
  });

  test("no tile is in column 0, which the Overview leaves out", () => {
    expect(Math.min(...TILES.map((t) => t.column))).toBe(1);
  });

  test("Hong Kong, Macao and Taiwan are written as the label file has them, beside China", () => {
    const names = Object.fromEntries(TILES.map((t) => [t.code, t.names]));
    expect(names["HK"]).toEqual({ en: "Hong Kong, China", zh: "中国香港" });
    expect(names["MO"]).toEqual({ en: "Macao, China", zh: "中国澳门" });
    expect(names["TW"]).toEqual({ en: "Taiwan, China", zh: "中国台湾" });
  });

  test("a line with a missing cell is named", () => {
    expect(() => readTiles("head\nAD,5,10,Andorra")).toThrow("AD,5,10,Andorra");
  });
});

test("what is drawn, what is unknown and what is not drawn add up to everything", () => {
  const countries = { BR: country(9, 300), TH: country(4, 100), XX: country(1, 30), AX: country(2, 10), ZZ: country(5, 60) };
  const { tiles, unknownShare, notDrawnShare } = world(countries, "per_livestream", undefined, 0);
  const drawn = [...tiles].filter(([code]) => code !== "ZZ" && TILES.some((t) => t.code === code));
  const rates: Record<string, number> = { BR: 300, TH: 100 };
  const share = drawn.reduce((sum, [code]) => sum + (rates[code] ?? 0), 0) / 500;
  expect(share + unknownShare! + notDrawnShare!).toBeCloseTo(1);
  expect([unknownShare, notDrawnShare]).toEqual([0.12, 0.08]);
});

test("fewer than three active livestreams: drawn in step 1 and not ranked", () => {
  const countries = { BR: country(9, 300), TH: country(4, 100), SA: country(3, 90), AD: country(2, 9000) };
  expect(measureOf(countries)).toBe("per_livestream");
  expect([...rankable(countries, "per_livestream").keys()]).toEqual(["BR", "TH", "SA"]);
  expect(world(countries, "per_livestream", undefined, 0).tiles.get("AD")).toMatchObject({ kind: "active", step: 1 });
});

test("with fewer than three such countries everything with engagement is ranked by the minute, ZZ never", () => {
  const countries = { BR: country(2, 30), TH: country(1, 10), SA: country(0, 0), ZZ: country(5, 99) };
  expect(measureOf(countries)).toBe("per_minute");
  expect([...rankable(countries, "per_minute")]).toEqual([
    ["BR", 30],
    ["TH", 10],
  ]);
});

test("ZZ is shaded like a country when it can be compared like one", () => {
  const countries = { BR: country(9, 300), TH: country(4, 100), SA: country(3, 90) };
  const stepOf = (zz: Measures): number => world({ ...countries, ZZ: zz }, "per_livestream", undefined, 0).unknownStep;
  expect(stepOf(country(0, 900))).toBe(1);
  expect(stepOf(country(3, 900))).toBe(7);
});

test("a country that is expected and silent is outlined", () => {
  expect(world({ SA: country(0, 0) }, "per_minute", undefined, 0).tiles.get("SA")).toEqual({ kind: "expected" });
});

describe("the scale", () => {
  const values = Array.from({ length: 70 }, (_, i) => 0.1 * 1.06 ** i);

  test("six rising limits that a person would choose, about equally many values in each step", () => {
    const limits = limitsOf(values);
    expect(limits.length).toBe(6);
    expect([...limits].sort((a, b) => a - b)).toEqual(limits);
    expect(new Set(limits).size).toBe(6);
    const counts = [1, 2, 3, 4, 5, 6, 7].map((s) => values.filter((v) => step(v, limits) === s).length);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(6);
    expect(Math.max(...counts)).toBeLessThanOrEqual(14);
  });

  test("rising limits even when all values are equal", () => {
    const limits = limitsOf([2, 2, 2, 2]);
    for (let i = 1; i < 6; i += 1) expect(limits[i]!).toBeGreaterThan(limits[i - 1]!);
  });

  test("fixed for five minutes, then renewed; earlier only when it was made of less than half the values", () => {
    const first = keepOrRenew(undefined, values, 1000);
    const doubled = values.map((v) => v * 2);
    expect(keepOrRenew(first, doubled, 300_999)).toBe(first);
    expect(keepOrRenew(first, doubled, 301_000)).not.toBe(first);
    expect(keepOrRenew({ ...first, madeOf: 35 }, values, 2000).madeAt).toBe(2000);
  });

  test("the median", () => {
    expect([median([]), median([3]), median([4, 1]), median([9, 1, 5])]).toEqual([0, 3, 2.5, 5]);
  });
});
