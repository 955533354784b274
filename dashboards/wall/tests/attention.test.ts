import { describe, expect, test } from "vitest";
import { ago, attention, type Around } from "../src/lib/attention";
import { known, LANGUAGES } from "../src/lib/languages";
import { filterOf, withoutFilter } from "../src/lib/scenes";
import { curve, ringed, spikes, title, type Names } from "../src/lib/spikes";
import { staleOnes, staleSince } from "../src/lib/stale";
import type { Spike } from "../src/lib/state";
import { zone } from "../src/lib/time";
import { trend } from "../src/lib/trend";

const names: Names = {
  country: (code) => `land ${code}`,
  topic: (id) => `topic ${id}`,
  session: (id) => `session ${id}`,
  platform: (name) => `platform ${name}`,
  everywhere: "Everywhere",
  comma: ", ",
};
const around = (tag = "en"): Around => ({ words: LANGUAGES.get(tag)!.words, language: tag, zone: zone("UTC"), names });
const line = (kind: string, values: Record<string, unknown>, more = {}) => ({ id: kind, level: "red", kind, values, owner: "ops", ...more });
const spike = (more: Partial<Spike>): Spike => ({ dimension: "country", value: "BR", state: "open", since: "2026-11-20T11:00:00Z", severity: 5, factor: 3, ...more });

describe("the attention list", () => {
  test("is written in the wall's language from kind and values, in the feed's order", () => {
    const told = {
      "2": line("pending", { count: 1 }, { level: "amber", owner: "control room" }),
      "1": line("not_collected", { platform: "youtube", count: 41, quota: 0.92 }),
      more: 3,
    };
    const { lines, more } = attention(told, around());
    expect(lines.map(({ text, owner, level }) => [text, owner, level])).toEqual([
      ["YouTube: 41 live broadcasts not collected, quota\u00a092\u202f%", "operations", "red"],
      ["1 live broadcast to decide about", "control room", "amber"],
    ]);
    expect(more).toBe(3);
    expect(attention(told, around("zh")).lines[0]!.text).toBe("YouTube：41 路直播未采集，配\u2060额\u00a092\u202f%");
  });

  test("knows every kind in every language, and shows the feed's text for one that it does not know", () => {
    for (const tag of LANGUAGES.keys()) {
      for (const kind of Object.keys(LANGUAGES.get("en")!.words.attention.kinds)) {
        const values = { platform: "x", country: "BR", count: 2, of: 9, share: 0.1, seconds: 12, severity: 4, minutes: 5, factor: 3, what: "spikes", dimension: "country", value: "BR" };
        const { text } = attention({ "1": line(kind, values, { since: "2026-11-20T11:00:00Z" }) }, around(tag)).lines[0]!;
        expect(text, `${tag} ${kind}`).not.toMatch(/undefined|NaN|object/);
      }
    }
    expect(attention({ "1": line("new", {}, { text: "Something" }) }, around()).lines[0]!.text).toBe("Something");
    expect(attention({ "1": line("constructor", {}, { text: "Something" }) }, around()).lines[0]!.text).toBe("Something");
  });

  test("links only to this wall and this server", () => {
    const link = (to: string): string | undefined => attention({ "1": line("pending", { count: 1 }, { link: to }) }, around()).lines[0]!.link;
    expect([link("#/spikes/s1"), link("/remote")]).toEqual(["#/spikes/s1", "/remote"]);
    for (const bad of ["javascript:alert(1)", "//evil.example", "https://evil.example", "/\\evil.example", ""]) expect(link(bad)).toBeUndefined();
  });

  test("says an age as short as it can be said", () => {
    const { words } = around();
    expect([40_000, 180_000, 7_200_000, -5].map((ms) => ago(ms, words, "en"))).toEqual(["40\u202fs", "3 min", "2 h", "0\u202fs"]);
  });
});

describe("spikes", () => {
  test("stand by severity, then age; one that is being confirmed leads none that is sure", () => {
    const { open, closed } = spikes({
      a: spike({ severity: 9, state: "confirming" }),
      b: spike({ severity: 4 }),
      c: spike({ severity: 4, since: "2026-11-20T10:00:00Z" }),
      d: spike({ state: "closed", closed_at: "2026-11-20T10:00:00Z" }),
      e: spike({ state: "closed", closed_at: "2026-11-20T10:30:00Z" }),
    });
    expect(open.map(({ id }) => id)).toEqual(["c", "b", "a"]);
    expect(closed.map(({ id }) => id)).toEqual(["e", "d"]);
    expect(spikes({ watched: 412 } as never).open).toEqual([]);
  });

  test("are called by what they are of", () => {
    expect(title(spike({ where: { topic: "robots" } }), names)).toBe("land BR, topic robots");
    expect(title(spike({ dimension: "topic", value: "lepas", where: { country: "MX" } }), names)).toBe("topic lepas, land MX");
    expect(title(spike({ dimension: "country+topic", value: "BR+robots" }), names)).toBe("land BR, topic robots");
    expect(title(spike({ dimension: "total", value: "total" }), names)).toBe("Everywhere");
  });

  test("ring the tiles of countries that are open, and of no others", () => {
    expect([...ringed({ a: spike({}), b: spike({ value: "TH", state: "confirming" }), c: spike({ dimension: "topic", value: "x", where: { country: "MX" } }) })]).toEqual(["BR"]);
  });

  test("are drawn over their whole length", () => {
    const drawn = curve(spike({ curve: { slot_seconds: 10, start: "2026-11-20T11:00:00Z", actual: [1, 1, 8], low: [0, 0, 0], high: [2, 2, 2] } }))!;
    expect(drawn.last).toEqual({ x: 1, y: 0 });
    expect(drawn.above.length).toBe(1);
    expect(curve(spike({}))).toBeUndefined();
  });
});

describe("the expected band", () => {
  const shape = (engagement: number[], low: number[], high: number[]) =>
    trend({ slot_seconds: 60, start: "2026-11-20T11:00:00Z", engagement, expected: { low, high } }, undefined, true)!;

  test("what is above it begins and ends where the lines cross", () => {
    const { above, below } = shape([0, 10, 0], [0, 0, 0], [5, 5, 5]);
    expect(below).toEqual([]);
    expect(above).toEqual([
      [
        { x: 0.25, y: 0.5 },
        { x: 0.5, y: 0 },
        { x: 0.75, y: 0.5 },
        { x: 0.75, y: 0.5 },
        { x: 0.5, y: 0.5 },
        { x: 0.25, y: 0.5 },
      ],
    ]);
  });

  test("what is below it is a shape of its own", () => {
    const { above, below } = shape([10, 2, 10], [5, 5, 5], [12, 12, 12]);
    expect(above).toEqual([]);
    expect(below.length).toBe(1);
  });

  test("where nothing was expected there is no band, and where nothing is known nothing is above it", () => {
    const { bands, above } = shape([9, 9, -1, 9, 9], [-1, -1, 1, 1, 1], [-1, -1, 3, 3, 3]);
    expect(bands.length).toBe(1);
    expect(bands[0]!.length).toBe(6);
    expect(above.length).toBe(1);
    expect(Math.min(...above[0]!.map(({ x }) => x))).toBe(0.75);
  });

  test("its top is inside the picture", () => {
    expect(Math.min(...shape([1, 1], [0, 0], [50, 40]).bands[0]!.map(({ y }) => y))).toBe(0);
  });
});

test("a stale source is found by its name, whatever it is called", () => {
  const state = { stale: { "country:BR": "2026-11-20T11:00:00Z", "search:spikes": "nonsense" } };
  expect(staleSince(state, "search:voices", "country:BR")).toBe(Date.parse("2026-11-20T11:00:00Z"));
  expect(staleSince(state, "constructor")).toBeUndefined();
  expect([...staleOnes(state, "country")]).toEqual(["BR"]);
  expect(staleSince({}, "search:spikes")).toBeUndefined();
});

test("a language is asked for by its tag, a longer one or a shorter one", () => {
  const ours = new Map([["en", 0], ["zh", 0], ["pt-BR", 0]]);
  expect(["en", "EN-gb", "zh-Hans-CN", "pt-br", "pt", "fr", "", "e"].map((tag) => known(tag, ours))).toEqual(["en", "en", "zh", "pt-BR", "pt-BR", undefined, undefined, undefined]);
});

test("a filter of livestreams is read from the address and does not go along to another scene", () => {
  expect(filterOf("lang=zh&platform=youtube&state=broken")).toEqual({ platform: "youtube", state: "broken" });
  expect(filterOf("lang=zh")).toBeUndefined();
  expect(withoutFilter("lang=zh&platform=youtube&country=TH")).toBe("lang=zh");
  expect(withoutFilter("lang=zh&follow")).toBe("lang=zh&follow");
});
