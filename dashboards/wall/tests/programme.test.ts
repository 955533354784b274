import { describe, expect, test } from "vitest";
import { area, CARDS, dayAndTime, dayNumber, programme } from "../src/lib/programme";
import { zone } from "../src/lib/time";

const at = (minute: number): string => new Date(Date.UTC(2026, 10, 20, 10, minute)).toISOString();
const ms = (minute: number): number => Date.parse(at(minute));
const one = (from: number, to: number, engagement?: number[], slot = 60) => ({
  name: "S",
  start: at(from),
  end: at(to),
  ...(engagement && { curve: { slot_seconds: slot, engagement } }),
});

describe("sessions side by side", () => {
  test("are in the order of their start, and each is past, on or to come", () => {
    const cards = programme({ c: one(60, 90), b: one(0, 30), a: one(10, 60), bad: { name: "x", start: "", end: "" } }, ms(30));
    expect(cards.map(({ id, kind }) => [id, kind])).toEqual([
      ["b", "past"],
      ["a", "now"],
      ["c", "later"],
    ]);
    expect(programme(undefined, 0)).toEqual([]);
  });

  test("of more than eight, those that are on or to come are there, with what was just before", () => {
    const many = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`s${String(i).padStart(2, "0")}`, one(i * 10, i * 10 + 10)]));
    const ids = (minute: number): string[] => programme(many, ms(minute)).map(({ id }) => id);
    expect(ids(-5)[0]).toBe("s00");
    expect(ids(65)).toEqual(["s02", "s03", "s04", "s05", "s06", "s07", "s08", "s09"]);
    expect(ids(999).at(-1)).toBe("s13");
    expect(ids(999).length).toBe(CARDS);
  });

  test("have the session of the day before behind them, from its own start and on the same scale", () => {
    const before = { ...one(-1440, -1420, [200, -1, 100, 100]), yesterday: "nothing" };
    const [then, now, next] = programme(
      { then: before, now: { ...one(0, 4, [50, 100]), yesterday: "then" }, next: { ...one(60, 70), yesterday: "now" } },
      ms(3),
    );
    expect(now?.before).toEqual([[{ x: 0.125, y: 0 }], [{ x: 0.625, y: 0.5 }, { x: 0.875, y: 0.5 }]]);
    expect(now?.stretches).toEqual([[{ x: 0.125, y: 0.75 }, { x: 0.375, y: 0.5 }]]);
    expect([then?.before, next?.before]).toEqual([[], []]);
  });

  test("that were longer the day before end where this one is planned to end", () => {
    const [, now] = programme({ a: one(-1440, -1430, [10, 10, 10, 900]), b: { ...one(0, 2, [10]), yesterday: "a" } }, ms(1));
    expect(now?.before).toEqual([[{ x: 0.25, y: expect.any(Number) }, { x: 0.75, y: expect.any(Number) }]]);
  });

  test("a time of another day than today's has its day before it, and the day begins at day_start", () => {
    const shanghai = zone("Asia/Shanghai");
    const first = Date.parse("2026-11-18T11:00:00Z");
    const day = (at: number): number => dayNumber(at, first, "04:00", shanghai);
    const when = (at: string, now: string): string => dayAndTime(Date.parse(at), Date.parse(now), day, shanghai.minute, (n) => `Day ${n}`);
    expect(when("2026-11-20T11:00:00Z", "2026-11-20T10:00:00Z")).toBe("19:00");
    expect(when("2026-11-22T11:00:00Z", "2026-11-20T10:00:00Z")).toBe("Day 5 19:00");
    expect(when("2026-11-20T19:30:00Z", "2026-11-20T10:00:00Z")).toBe("03:30"); // still the same night
    expect(when("2026-11-20T20:00:00Z", "2026-11-20T10:00:00Z")).toBe("Day 4 04:00");
  });

  test("share one scale of engagement per minute, whatever the length of a slot", () => {
    const [a, b] = programme({ a: one(0, 10, [100, 50]), b: one(0, 10, [400], 120) }, ms(5));
    expect(b?.stretches[0]?.[0]).toEqual({ x: 0.1, y: 0 });
    expect(a?.stretches[0]?.map(({ y }) => y)).toEqual([0.5, 0.75]);
    expect([a?.peak, b?.peak]).toEqual([100, 200]);
  });

  test("break where nothing is known", () => {
    const [card] = programme({ a: one(0, 10, [-1, 5, -1, -1, 5, 5]) }, ms(8));
    expect(card?.stretches.map((stretch) => stretch.length)).toEqual([1, 2]);
    expect(card?.gaps[0]?.from).toBeCloseTo(0.15);
    expect(card?.gaps[0]?.to).toBeCloseTo(0.45);
    expect(programme({ a: one(0, 10, [-1]) }, ms(8))[0]).toMatchObject({ stretches: [], last: undefined, peak: undefined });
  });

  test("many slots are drawn several together, each the mean of those that are known; the last may be of fewer", () => {
    const [card] = programme({ a: one(0, 220, [10, 20, 30, -1, -1, -1, 40]) }, ms(100));
    expect(card?.stretches.map((stretch) => stretch.map(({ x, y }) => [Math.round(x * 220 * 10) / 10, y]))).toEqual([
      [
        [1, 1 - 15 / 40],
        [3, 1 - 30 / 40],
      ],
      [[6.5, 0]],
    ]);
    expect(card?.peak).toBe(40);
  });

  test("an area goes down to nought on both sides", () => {
    expect(area([{ x: 0, y: 0.5 }, { x: 1, y: 0 }], 100, 10)).toBe("M0.0 10L0.0 5.0L100.0 0.0L100.0 10Z");
    expect(area([], 100, 10)).toBe("");
  });
});

test("a day of the event begins at day_start on its own clock", () => {
  const shanghai = zone("Asia/Shanghai");
  const first = Date.parse("2026-11-18T11:30:00Z");
  const number = (iso: string): number => dayNumber(Date.parse(iso), first, "04:00", shanghai);
  expect(number("2026-11-18T19:59:00Z")).toBe(1); // 03:59 of the 19th in Shanghai
  expect(number("2026-11-18T20:00:00Z")).toBe(2);
  expect(number("2026-11-17T12:00:00Z")).toBe(0);
  expect(dayNumber(first, first, undefined, shanghai)).toBe(1);
});

test("when the clocks change, a day of the event still begins at what they show", () => {
  const berlin = zone("Europe/Berlin");
  const first = Date.parse("2026-03-28T12:00:00Z");
  const number = (iso: string): number => dayNumber(Date.parse(iso), first, "04:00", berlin);
  expect([number("2026-03-29T01:59:00Z"), number("2026-03-29T02:00:00Z")]).toEqual([1, 2]); // 03:59 and 04:00, three hours after midnight
  expect([number("2026-10-25T02:59:00Z"), number("2026-10-25T03:00:00Z")]).toEqual([211, 212]); // five hours after midnight
});
