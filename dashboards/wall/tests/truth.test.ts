import { describe, expect, test } from "vitest";
import { next, running } from "../src/lib/sessions";
import { clean } from "../src/lib/text";
import { clockOffset, instant, zone } from "../src/lib/time";
import { judge, type Signs } from "../src/lib/truth";
import { languageFor, wishes } from "../src/lib/view.svelte";

const NOW = Date.parse("2026-11-20T12:03:48Z");
const signs = (change: Partial<Signs>): Signs => ({
  silence: 100,
  age: 60_000,
  now: NOW,
  asOf: NOW - 400,
  empty: false,
  ...change,
});

describe("judge", () => {
  test.each([
    ["frames arrive and are fresh", {}, { kind: "live" }],
    ["two seconds of silence are still live", { silence: 2000 }, { kind: "live" }],
    ["longer is lost", { silence: 12_345 }, { kind: "lost", seconds: 12 }],
    ["frames arrive and are old", { asOf: NOW - 8_100 }, { kind: "behind", seconds: 8 }],
    ["lost wins over behind", { silence: 3000, asOf: NOW - 9000 }, { kind: "lost", seconds: 3 }],
    ["the producer lets the numbers stand", { frozen: true, asOf: NOW - 9000 }, { kind: "frozen" }],
    ["lost wins over frozen", { frozen: true, silence: 3000 }, { kind: "lost", seconds: 3 }],
    ["nothing to show yet", { empty: true, asOf: NOW - 9000 }, { kind: "waiting" }],
    ["opened just now", { silence: Infinity, age: 900, asOf: undefined }, { kind: "connecting" }],
    ["opened and never connected", { silence: Infinity, age: 4100, asOf: undefined }, { kind: "lost", seconds: 4 }],
  ])("%s", (_, change, truth) => expect(judge(signs(change))).toEqual(truth));
});

describe("sessions", () => {
  const session = (start: string, end: string): { name: { en: string }; start: string; end: string } => ({
    name: { en: "x" },
    start,
    end,
  });

  test("time left and progress; two at once in order of their start", () => {
    const now = {
      b: session("2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z"),
      a: session("2026-11-20T11:03:48Z", "2026-11-20T13:03:48Z"),
    };
    expect(running({ now }, NOW).map(({ id, leftMs, progress }) => [id, leftMs, Math.round(progress * 1000)])).toEqual([
      ["a", 3_600_000, 500],
      ["b", 3_372_000, 63],
    ]);
  });

  test("a session whose end has passed has nothing left, one with broken times is left out", () => {
    expect(running({ now: { a: session("2026-11-20T10:00:00Z", "2026-11-20T12:00:00Z") } }, NOW)[0]).toMatchObject({
      leftMs: 0,
      progress: 1,
    });
    expect(running({ now: { a: session("soon", "2026-11-20T12:00:00Z") } }, NOW)).toEqual([]);
    expect([running(undefined, NOW), next(undefined)]).toEqual([[], undefined]);
  });
});

test("times are the event's, not this machine's", () => {
  const shanghai = zone("Asia/Shanghai");
  expect([shanghai.clock(NOW), shanghai.minute(NOW), shanghai.offset(NOW)]).toEqual(["20:03:48", "20:03", "UTC+8"]);
  expect(zone("Asia/Kolkata").offset(NOW)).toBe("UTC+5:30");
  expect([zone("Nowhere/Land").clock(NOW), zone(undefined).offset(NOW)]).toEqual(["12:03:48", "UTC"]);
  expect([instant("x"), instant(undefined)]).toEqual([undefined, undefined]);
});

test("a clock that is off is corrected by the server's, noise under a second and a half is not", () => {
  const header = new Date(NOW).toUTCString();
  expect(clockOffset(header, NOW + 300_000, NOW + 300_100)).toBe(-299_550);
  expect(clockOffset(header, NOW + 1200, NOW + 1300)).toBe(0);
  expect(clockOffset(null, NOW, NOW)).toBe(0);
});

test("text cannot turn its neighbours or tower over them; isolates and real scripts stay", () => {
  expect(clean("a\u202eb\u202c\u0007")).toBe("ab");
  expect(clean("\u2067עברית\u2069")).toBe("\u2067עברית\u2069");
  expect(clean(`Z${"\u0335".repeat(40)}algo`)).toBe(`Z${"\u0335".repeat(4)}algo`);
  expect(clean("กำลังใจ हिन्दी ﷽")).toBe("กำลังใจ हिन्दी ﷽");
});

test("language and theme are read from the query or from behind the hash", () => {
  const none = { rotateMs: 0, kiosk: false, stage: false, follow: false, scale: undefined };
  expect(wishes("?lang=zh", "")).toEqual({ language: "zh", theme: "dark", ...none });
  expect(wishes("?lang=en", "#/topics?lang=zh&theme=light")).toEqual({ language: "zh", theme: "light", ...none });
  expect(wishes("?lang=xx&theme=pink", "#/")).toEqual({ language: undefined, theme: "dark", ...none });
});

test("a stage follows the producer unless told otherwise, a room only when asked to", () => {
  const follows = (query: string): boolean => wishes(query, "").follow;
  expect([follows(""), follows("?follow"), follows("?follow=1"), follows("?follow=0")]).toEqual([false, true, true, false]);
  expect([follows("?profile=stage"), follows("?profile=stage&follow=0"), follows("?profile=room")]).toEqual([true, false, false]);
});

test("rotation is between five seconds and an hour, kiosk mode is asked for by 1", () => {
  const rotate = (query: string): number => wishes(query, "").rotateMs;
  expect([rotate("?rotate=30"), rotate("?rotate=1"), rotate("?rotate=1e9")]).toEqual([30_000, 5000, 3_600_000]);
  expect([rotate("?rotate=0"), rotate("?rotate=-5"), rotate("?rotate=soon"), rotate("")]).toEqual([0, 0, 0, 0]);
  expect([wishes("?kiosk=1", "").kiosk, wishes("?kiosk=yes", "").kiosk]).toEqual([true, false]);
});

test("the address decides the language, then the reader if the event offers it, then the event", () => {
  expect(languageFor("zh", ["en-US"], ["en"])).toBe("zh");
  expect(languageFor(undefined, ["fr", "en-US"], ["zh", "en"])).toBe("en");
  expect(languageFor(undefined, ["en"], ["zh"])).toBe("zh");
  expect(languageFor(undefined, ["fr"], ["ar", "zh", "en"])).toBe("zh");
  expect(languageFor(undefined, ["zh-Hans-CN"])).toBe("zh");
  expect(languageFor(undefined, [], ["ar"])).toBe("en");
});
