import { describe, expect, test } from "vitest";
import { brightness, counted, grouped, layOut, moved, readLivestreams, under, type Cell } from "../src/lib/livestreams";

const answer = (livestreams: unknown): Cell[] => readLivestreams({ livestreams });
const some = (country: string, count: number, more: object = { state: "live" }): [string, object][] =>
  Array.from({ length: count }, (_, i) => [`${country}-${String(i).padStart(4, "0")}`, { country, ...more }]);
const many = (...groups: [string, object][][]): Cell[] => answer(Object.fromEntries(groups.flat()));

describe("what the API says", () => {
  test("is read as documented", () => {
    const [cell] = answer({
      "twitch:a": {
        state: "throttled",
        platform: "twitch",
        country: "TH",
        handle: "a",
        since: 1_763_600_000,
        last_event: "2026-11-20T08:36:10.000Z",
        viewers: 70,
        engagement: { total: 62, per_minute: 49 },
        url: "https://www.twitch.tv/a",
      },
    });
    expect(cell).toMatchObject({ id: "twitch:a", kind: "throttled", country: "TH", viewers: 70, perMinute: 49, url: "https://www.twitch.tv/a" });
    expect([cell?.since, cell?.lastEvent]).toEqual([1_763_600_000_000, Date.parse("2026-11-20T08:36:10Z")]);
  });

  test("with anything else in it harms nothing", () => {
    for (const junk of [null, 7, "x", [], { livestreams: null }, { livestreams: [1] }]) expect(readLivestreams(junk).length).toBeLessThan(2);
    const [cell] = answer({ x: { state: "constructor", country: "<b>", since: "soon", viewers: "many", url: "javascript:alert(1)", engagement: 5 } });
    expect(cell).toMatchObject({ kind: "ended", country: "ZZ", since: undefined, viewers: undefined, url: undefined, perMinute: undefined });
    expect(answer({ x: { url: "http://plain.example/" } })[0]?.url).toBeUndefined();
  });

  test("every livestream is of one kind, so the counts add up", () => {
    const states = ["live", "quiet", "waiting", "announced", "connecting", "throttled", "refused", "unreachable", "broken", "paused", "ended", "new"];
    const cells = answer(Object.fromEntries(states.map((state) => [state, { state, country: "BR" }])));
    const counts = Object.fromEntries(counted(cells).map(({ kind, count }) => [kind, count]));
    expect(counts).toEqual({ live: 1, quiet: 1, throttled: 1, refused: 2, broken: 1, paused: 1, ended: 5 });
  });

  test("the counts say where most of a kind are", () => {
    const counts = counted(many(some("CN", 5, { state: "broken" }), some("BR", 3, { state: "broken" }).map(([id, c]) => [`x${id}`, c]), some("TH", 4)));
    expect(counts.find(({ kind }) => kind === "broken")).toEqual({ kind: "broken", count: 8, most: { country: "CN", count: 5 } });
    expect(counts.find(({ kind }) => kind === "refused")).toEqual({ kind: "refused", count: 0, most: undefined });
  });
});

describe("groups", () => {
  test("are countries, largest first, the unknown one last; a cell keeps its place", () => {
    const groups = grouped(many(some("AR", 2), some("ZZ", 9), some("BR", 5), some("AE", 2)));
    expect(groups.map(({ country }) => country)).toEqual(["BR", "AE", "AR", "ZZ"]);
    expect(groups[0]?.cells.map(({ id }) => id)).toEqual(["BR-0000", "BR-0001", "BR-0002", "BR-0003", "BR-0004"]);
  });

  test("are failing when a quarter of them is broken", () => {
    const of = (broken: number): boolean => {
      const cells = Object.fromEntries([...some("CN", 8), ...some("CN", broken, { state: "broken" })]);
      return grouped(answer(cells))[0]!.failing;
    };
    expect([of(1), of(2)]).toEqual([false, true]);
  });
});

describe("the sheet", () => {
  const [width, height] = [1824, 624];

  test("has 1,200 cells in six columns at the full pitch, all inside, none upon another", () => {
    const codes = Array.from({ length: 100 }, (_, i) => String.fromCharCode(65 + (i % 26), 65 + Math.floor(i / 26)));
    const cells = many(...codes.map((code, i) => some(code, i < 28 ? 30 : 5)));
    const sheet = layOut(grouped(cells), width, height);
    expect([sheet.pitch, sheet.left, sheet.cells.length]).toEqual([23, 0, 1200]);
    expect(new Set(sheet.cells.map(({ x, y }) => `${x.toFixed(1)},${y}`)).size).toBe(1200);
    for (const { x, y } of sheet.cells) expect(x >= 0 && x + sheet.size <= width && y + sheet.size <= height).toBe(true);
    const spots = sheet.labels.map(({ x, y }) => `${x.toFixed(1)},${y}`);
    expect(new Set(spots).size).toBe(spots.length);
  });

  test("few livestreams have larger cells", () => {
    expect(layOut(grouped(many(some("BR", 40), some("TH", 8))), width, height).pitch).toBe(36);
  });

  test("a group that goes on in the next column repeats its label", () => {
    const sheet = layOut(grouped(many(some("BR", 600))), width, height);
    expect(new Set(sheet.labels.map(({ country }) => country))).toEqual(new Set(["BR"]));
    expect(sheet.labels.length).toBeGreaterThan(2);
    expect(sheet.left).toBe(0);
  });

  test("small countries share a row in two halves", () => {
    const sheet = layOut(grouped(many(some("AA", 3), some("BB", 3), some("CC", 1))), width, height);
    expect(sheet.labels.map(({ y }) => y)).toEqual([0, 0, sheet.pitch]);
    expect(sheet.cells[3]!.x).toBeGreaterThan(sheet.cells[2]!.x + sheet.pitch);
  });

  test("ten thousand in a hundred countries are all there, inside the sheet", () => {
    const codes = Array.from({ length: 100 }, (_, i) => String.fromCharCode(65 + (i % 26), 65 + Math.floor(i / 26)));
    const sheet = layOut(grouped(many(...codes.map((code, i) => some(code, i < 28 ? 270 : i < 60 ? 60 : 13)))), width, height);
    expect([sheet.left, sheet.cells.length]).toEqual([0, 28 * 270 + 32 * 60 + 40 * 13]);
    for (const { x, y } of sheet.cells) expect(x >= 0 && x + sheet.size <= width && y + sheet.size <= height).toBe(true);
  });

  test("more cells are smaller, labels never closer than they are high, and what has no room is said", () => {
    const codes = Array.from({ length: 80 }, (_, i) => String.fromCharCode(65 + (i % 26), 65 + Math.floor(i / 26)));
    const sheet = layOut(grouped(many(...codes.map((code) => some(code, 30)))), width, height);
    expect([sheet.left, sheet.cells.length]).toEqual([0, 2400]);
    expect(sheet.pitch).toBeLessThan(23);
    const crowd = layOut(grouped(many(some("BR", 40_000))), width, height);
    expect(crowd.left).toBeGreaterThan(0);
    expect(crowd.cells.length + crowd.left).toBe(40_000);
    const few = layOut(grouped(many(...["AA", "BB", "CC", "DD"].map((code) => some(code, 900)))), width, height);
    const spots = few.labels.toSorted((a, b) => a.x - b.x || a.y - b.y);
    for (let i = 1; i < spots.length; i += 1) {
      if (spots[i]!.x === spots[i - 1]!.x) expect(spots[i]!.y - spots[i - 1]!.y).toBeGreaterThanOrEqual(20);
    }
  });

  test("nothing at all is an empty sheet, a phone one long column", () => {
    expect(layOut([], width, height)).toMatchObject({ cells: [], labels: [], left: 0 });
    const phone = layOut(grouped(many(some("BR", 100), some("TH", 100))), 320, 1e6);
    expect([phone.pitch, phone.left, phone.height]).toEqual([26, 0, 520]);
  });
});

describe("choosing", () => {
  const sheet = layOut(grouped(many(some("BR", 25), some("TH", 12))), 300, 624);
  const go = (...ways: ("up" | "down" | "left" | "right")[]): string | undefined =>
    ways.reduce<string | undefined>((from, way) => moved(sheet.cells, from, way), "BR-0000");

  test("goes straight ahead, into the next group too, and stays at the edge", () => {
    expect(go("right", "right", "down")).toBe("BR-0012");
    expect(go("down", "down", "down")).toBe("TH-0000");
    expect(go("up")).toBe("BR-0000");
    expect(go("left")).toBe("BR-0000");
  });

  test("begins with the first, also when the chosen one is gone", () => {
    expect(moved(sheet.cells, undefined, "down")).toBe("BR-0000");
    expect(moved(sheet.cells, "gone", "up")).toBe("BR-0000");
    expect(moved([], undefined, "up")).toBeUndefined();
  });

  test("a pointer chooses what is under it", () => {
    const { cell, x, y } = sheet.cells[13]!;
    expect(under(sheet, x + 5, y + 5)).toBe(cell.id);
    expect(under(sheet, 0, 0)).toBeUndefined();
  });
});

test("brightness has four steps around the median of those that say anything", () => {
  const rates = { a: 0, b: 9, c: 20, d: 30, e: 89, f: 90 };
  const read = answer(Object.fromEntries(Object.entries(rates).map(([id, per_minute]) => [id, { engagement: { per_minute } }])));
  expect(read.map(brightness(read))).toEqual([2, 3, 3, 4, 4, 5]);
  expect(answer({ x: {} }).map(brightness([]))).toEqual([2]);
});
