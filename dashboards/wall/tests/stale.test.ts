import { describe, expect, test } from "vitest";
import { silentSince } from "../src/lib/stale";

const platforms = { twitch: { in_totals: true }, kick: {}, recording: { in_totals: false } };

describe("everything is silent", () => {
  test("when the last of the platforms in the totals is, and since then", () => {
    const stale = { "platform:twitch": "2026-10-18T11:58:00Z", "platform:kick": "2026-10-18T11:59:00Z" };
    expect(silentSince({ platforms, stale })).toBe(Date.parse("2026-10-18T11:59:00Z"));
  });

  test("not while one of them speaks, whatever is heard of those beside the totals", () => {
    const stale = { "platform:twitch": "2026-10-18T11:58:00Z", "platform:recording": "2026-10-18T11:58:00Z" };
    expect(silentSince({ platforms, stale })).toBeUndefined();
  });

  test("not where no platform is known", () => {
    expect(silentSince({ stale: { "search:spikes": "2026-10-18T11:58:00Z" } })).toBeUndefined();
  });
});
