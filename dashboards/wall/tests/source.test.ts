import { describe, expect, test } from "vitest";
import type { State } from "../src/lib/state";
import { asked, PANELS, trust, type Panel, type Signs } from "../src/source/panels";

const NOW = Date.parse("2026-11-20T12:00:00Z");
const signs = (state: State = {}, more: Partial<Signs> = {}): Signs => ({ state, silence: 100, age: 60_000, now: NOW, asOf: NOW - 400, ...more });
const at = "2026-11-20T11:58:00Z";

describe("the address of a source", () => {
  test("is of the stage unless it says room, and every panel has a name", () => {
    for (const panel of PANELS) expect(asked(`?panel=${panel}`)).toMatchObject({ panel, scale: 1, stage: true, rows: undefined, turnMs: 20_000 });
    expect(asked("?panel=trend&profile=room").stage).toBe(false);
    expect(asked("?panel=topics&scale=1.3&rows=5&seconds=8")).toMatchObject({ scale: 1.3, rows: 5, turnMs: 8000 });
  });

  test.each(["?panel=", "", "?panel=Topics", "?panel=constructor"])("an unknown panel is none: %s", (search) => {
    expect(asked(search).panel).toBeUndefined();
  });

  test.each(["?scale=0", "?scale=NaN", "?scale=9", "?scale=-1", "?rows=0", "?rows=2.5", "?seconds=1"])("a wish that cannot be met is not met: %s", (search) => {
    expect(asked(search)).toMatchObject({ scale: 1, rows: undefined, turnMs: 20_000 });
  });
});

describe("a number does not outlive its source", () => {
  const kind = (panel: Panel, of: Signs): string => trust(panel, of).kind;

  test("without a frame for two seconds no panel is believed, the programme neither", () => {
    for (const panel of PANELS) {
      expect(trust(panel, signs({}, { silence: 2100 }))).toEqual({ kind: "stale", since: NOW - 2100 });
      expect(kind(panel, signs())).toBe("believed");
    }
  });

  test("a source that has just been opened says nothing yet, and soon that it knows nothing", () => {
    expect(kind("topics", signs({}, { silence: Infinity, age: 500 }))).toBe("opening");
    expect(trust("topics", signs({}, { silence: Infinity, age: 2500 }))).toEqual({ kind: "stale", since: undefined });
  });

  test("numbers that are ten seconds old are old, unless the producer lets them stand", () => {
    const old = { asOf: NOW - 11_000 };
    expect(kind("topics", signs({}, old))).toBe("stale");
    expect(kind("session", signs({}, old))).toBe("believed");
    expect(kind("topics", signs({ wall: { profile: "stage", frozen_at: at } }, old))).toBe("believed");
    expect(kind("topics", signs({ wall: { profile: "room", frozen_at: at } }, old))).toBe("stale");
  });

  test("a search that nobody makes makes its own panel stale, and no other", () => {
    const state = { stale: { "search:voices": at } };
    expect(trust("voices", signs(state))).toEqual({ kind: "stale", since: Date.parse(at) });
    for (const panel of PANELS.filter((one) => one !== "voices")) expect(kind(panel, signs(state))).toBe("believed");
  });

  test("totals are stale when all platforms in them are silent, and not before", () => {
    const platforms = { twitch: { in_totals: true }, bluesky: { in_totals: true }, recording: { in_totals: false } };
    expect(kind("watching", signs({ platforms, stale: { "platform:twitch": at } }))).toBe("believed");
    const later = "2026-11-20T11:59:00Z";
    const all = { platforms, stale: { "platform:twitch": at, "platform:bluesky": later } };
    expect(trust("watching", signs(all))).toEqual({ kind: "stale", since: Date.parse(later) });
  });
});
