import { describe, expect, test } from "vitest";
import { heat, stepOf, strongest } from "../src/lib/heat";
import { ROLL_MS, rolled, share } from "../src/lib/roll";
import { crosses, path, ticks, trend } from "../src/lib/trend";
import { againstHour, voice } from "../src/lib/voice";

const START = "2026-11-20T11:00:00Z";
const history = (engagement: number[]): { slot_seconds: number; start: string; engagement: number[] } => ({
  slot_seconds: 60,
  start: START,
  engagement,
});
const hour = (change: Record<number, number> = {}): number[] => Array.from({ length: 60 }, (_, i) => change[i] ?? 100);

describe("words at the foot of the chart", () => {
  const low = trend(history(hour(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [i, 5])))), 100)!;

  test("are struck through by a line that is near the ground there, and only there", () => {
    expect(crosses(low, 0.1, 0.4, 0.16)).toBe(true);
    expect(crosses(low, 0.6, 0.9, 0.16)).toBe(false);
  });

  test("also by one that passes between two points, and by what is still running", () => {
    const steep = { stretches: [[{ x: 0, y: 1 }, { x: 1, y: 0 }]], running: undefined };
    expect(crosses(steep, 0.1, 0.2, 0.16)).toBe(true);
    const falling = trend(history(hour()), 0)!;
    expect(crosses(falling, 0.9, 1, 0.16)).toBe(true);
    expect(crosses({ ...falling, running: undefined }, 0.9, 1, 0.16)).toBe(false);
  });
});

describe("trend", () => {
  test("the line breaks where nothing is known, and only there", () => {
    const line = trend(history(hour({ 20: -1, 21: -1, 40: -1 })), 50)!;
    expect(line.stretches.map((s) => s.length)).toEqual([20, 18, 19]);
    expect(line.gaps).toEqual([
      { from: 19 / 60, to: 22 / 60 },
      { from: 39 / 60, to: 41 / 60 },
    ]);
  });

  test("nothing known before the first minute is no gap, and the axis is shorter", () => {
    const line = trend(history([...Array<number>(55).fill(-1), 1, 2, -1, 4, 5]), 5)!;
    expect(line.minutes).toBe(10);
    expect(line.startMs).toBe(Date.parse(START) + 50 * 60_000);
    expect(line.gaps.length).toBe(1);
    expect(trend(history([...Array<number>(40).fill(-1), ...Array<number>(20).fill(7)]), 7)!.minutes).toBe(20);
    expect(trend(history([...Array<number>(29).fill(-1), ...Array<number>(31).fill(7)]), 7)!.minutes).toBe(60);
  });

  test("it starts at nought, ends its solid part at the last whole minute, and the running minute is apart", () => {
    const line = trend(history(hour({ 0: 0, 59: 200 })), 100)!;
    expect(line.stretches[0]![0]).toEqual({ x: 0, y: 1 });
    expect(line.last).toEqual({ x: 59 / 60, y: 0 });
    expect(line.running).toEqual([
      { x: 59 / 60, y: 0 },
      { x: 1, y: 0.5 },
    ]);
    expect(line.peak).toEqual({ value: 200, at: Date.parse(START) + 59 * 60_000 });
  });

  test("an unknown last minute has no dot and no running end", () => {
    const line = trend(history(hour({ 59: -1 })), 100)!;
    expect([line.last, line.running]).toEqual([undefined, undefined]);
    expect(line.gaps).toEqual([{ from: 58 / 60, to: 59 / 60 }]);
  });

  test("no line of fewer than two minutes", () => {
    expect(trend(history([]), 1)).toBeUndefined();
    expect(trend(history([...Array<number>(59).fill(-1), 3]), 1)).toBeUndefined();
  });

  test("at most five ticks, on round minutes", () => {
    for (const known of [2, 11, 25, 60]) {
      const found = ticks(trend(history([...Array<number>(60 - known).fill(-1), ...Array<number>(known).fill(1)]), 1)!);
      expect(found.length).toBeGreaterThan(1);
      expect(found.length).toBeLessThanOrEqual(5);
      expect(found.every((t) => t % 60_000 === 0)).toBe(true);
    }
  });

  test("path", () =>
    expect(
      path(
        [
          { x: 0, y: 1 },
          { x: 0.5, y: 0 },
        ],
        100,
        10,
      ),
    ).toBe("M0.0 10.0L50.0 0.0"));
});

describe("heat", () => {
  const pairs = {
    BR: { robots: { hour: 300 }, esg: { hour: 100 } },
    TH: { robots: { hour: 100 }, esg: { hour: 500 } },
    FJ: { robots: { hour: 49 }, esg: { hour: 0 } },
  };

  test("the share here against the share everywhere", () => {
    const cell = heat(pairs).cell("BR", "robots");
    expect(cell).toMatchObject({ kind: "lift", step: 4 });
    expect(cell.kind === "lift" && cell.lift).toBeCloseTo(300 / 400 / (449 / 1049));
  });

  test("below the world, fewer than fifty messages, and what was never named", () => {
    const table = heat(pairs);
    expect(table.cell("TH", "robots").kind).toBe("below");
    expect(table.cell("FJ", "robots").kind).toBe("few");
    expect(table.cell("XX", "none").kind).toBe("few");
  });

  test("a country that is the world has lift one everywhere", () => {
    const table = heat({ ZZ: { robots: { hour: 70 }, esg: { hour: 500 } } });
    expect(table.cell("ZZ", "robots")).toEqual({ kind: "lift", lift: 1, step: 2 });
  });

  test("topics by volume", () => expect(heat(pairs).topics).toEqual(["esg", "robots"]));

  test("steps", () => {
    expect([1, 1.29, 1.3, 1.6, 2, 2.5, 3, 9].map(stepOf)).toEqual([2, 2, 3, 4, 5, 6, 7, 7]);
  });
});

test("a number rolls towards its aim, never past it, up or down, and arrives", () => {
  for (const [from, to] of [
    [0, 1000],
    [1000, 990],
    [7, 7],
  ] as const) {
    let last: number = from;
    for (let t = 0; t <= ROLL_MS; t += 20) {
      const now = rolled(from, to, t);
      expect(Math.sign(to - from) * (now - last)).toBeGreaterThanOrEqual(0);
      expect(Math.abs(now - from)).toBeLessThanOrEqual(Math.abs(to - from));
      last = now;
    }
    expect(last).toBe(to);
  }
  expect(rolled(0, 12.5, ROLL_MS)).toBe(12.5);
});

test("a bar moves by whole hundredths and is never longer than its track", () => {
  expect([share(1, 3), share(3, 3), share(0, 3), share(5, 0)]).toEqual([33, 100, 0, 0]);
});

describe("voices and what moves whom", () => {
  const pairs = {
    BR: { robots: { hour: 900 }, hybrid: { hour: 100 } },
    TH: { robots: { hour: 500 }, hybrid: { hour: 500 } },
    ZZ: { robots: { hour: 100 }, hybrid: { hour: 1900 } },
    AD: { robots: { hour: 49 } },
  };

  test("rows are places by volume; what has no place is no row but counts for the world", () => {
    const table = heat(pairs);
    expect(table.countries).toEqual(["BR", "TH", "AD"]);
    expect(table.topics).toEqual(["hybrid", "robots"]);
  });

  test("the strongest are one for each country, by lift, and never of too few messages", () => {
    const table = heat(pairs);
    const found = strongest(table, table.countries, table.topics, 4);
    expect(found.map(({ country, topic, hour }) => [country, topic, hour])).toEqual([
      ["BR", "robots", 900],
      ["TH", "robots", 500],
    ]);
    expect(strongest(table, table.countries, table.topics, 1).length).toBe(1);
  });

  const brand = (total: number) => ({ group: "brand", engagement: { total } });
  const hours = (topics: Record<string, number[]>) => ({ slot_seconds: 60, start: "", engagement: [], topics });

  test("shares are of the brands of the group among themselves, of the last hour as far as it is known", () => {
    const found = voice({ a: brand(500), b: brand(500), robots: { engagement: { total: 9e6 } } }, hours({ a: [-1, 30, 30], b: [-1, 10, 30] }));
    expect(found).toMatchObject({ of: 2, minutes: 2 });
    expect(found?.brands.map(({ id, share, count }) => [id, share, count])).toEqual([
      ["a", 0.6, 60],
      ["b", 0.4, 40],
    ]);
    expect(found?.brands[0]?.change).toBeCloseTo(10);
  });

  test("an hour that is most of the event is not compared with it; without an hour the event counts", () => {
    expect(voice({ a: brand(60), b: brand(40) }, hours({ a: [30, 30], b: [10, 30] }))?.brands[0]?.change).toBeUndefined();
    expect(voice({ a: brand(30), b: brand(10) }, undefined)).toMatchObject({ minutes: undefined, brands: [{ share: 0.75 }, { share: 0.25 }] });
  });

  test("nothing said about brands is no share, and no brands is no such scene", () => {
    expect(voice({ a: brand(0), b: { group: "brand" } }, undefined)).toEqual({ brands: [], of: 2, minutes: undefined });
    expect(voice({ robots: { group: "technology" } }, undefined)).toBeUndefined();
  });

  test("at most eight brands are shown, of the shares of all", () => {
    const many = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`b${i}`, brand(10)]));
    const found = voice(many, undefined);
    expect([found?.of, found?.brands.length, found?.brands[0]?.share]).toEqual([10, 8, 0.1]);
  });

  test("a minute is compared with the mean of its hour when that has ten minutes and fifty actions", () => {
    expect(againstHour(12, Array(10).fill(10))).toBeCloseTo(0.2);
    expect(againstHour(5, [-1, -1, ...Array(10).fill(10)])).toBeCloseTo(-0.5);
    expect(againstHour(12, Array(9).fill(100))).toBeUndefined();
    expect(againstHour(12, Array(60).fill(0.5))).toBeUndefined();
    expect(againstHour(undefined, Array(60).fill(10))).toBeUndefined();
    expect(againstHour(3, undefined)).toBeUndefined();
  });
});
