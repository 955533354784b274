import { describe, expect, test } from "vitest";
import { againstYesterday } from "../src/lib/yesterday";

describe("today against yesterday", () => {
  test("is the difference of the feed's multiple from one", () => {
    expect(againstYesterday({ change_vs_yesterday: 1.5 })).toBe(0.5);
    expect(againstYesterday({ change_vs_yesterday: 0.5 })).toBe(-0.5);
    expect(againstYesterday({ change_vs_yesterday: 0 })).toBe(-1);
  });

  test("is unknown where the feed does not say it, or says nonsense", () => {
    expect(againstYesterday(undefined)).toBeUndefined();
    expect(againstYesterday({})).toBeUndefined();
    expect(againstYesterday({ change_vs_yesterday: -1 })).toBeUndefined();
    expect(againstYesterday({ change_vs_yesterday: Infinity })).toBeUndefined();
  });
});
