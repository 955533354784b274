import { describe, expect, test } from "vitest";
import { answered, complaint, countdown, DONE_MS, failed, nextAt, sent, shown, type Taps } from "../src/remote/taps";
import { zone } from "../src/lib/time";

describe("a touch", () => {
  const touched = answered(sent({}, "safe"), "safe", 7);

  test("is answered at once and confirmed by the wall, not by the server", () => {
    expect(sent({}, "safe")["safe"]).toEqual({ phase: "sent", version: undefined });
    expect(shown(touched, 6, 0)).toBe(touched);
    expect(shown(touched, 7, 0)["safe"]).toEqual({ phase: "done", at: 0 });
    expect(shown(touched, 9, 0)["safe"]?.phase).toBe("done");
  });

  test("without an answer is not confirmed by whatever the wall shows", () => {
    const waiting = sent({}, "safe");
    expect(shown(waiting, 100, 0)).toBe(waiting);
    expect(shown(touched, undefined, 0)).toBe(touched);
  });

  test("is forgotten after its confirmation, a failure stays until the next one", () => {
    const done = shown(touched, 7, 0);
    expect(shown(done, 7, DONE_MS - 1)).toBe(done);
    expect(shown(done, 7, DONE_MS)).toEqual({});
    const wrong = failed(sent({}, "next"), "next", "No.");
    expect(shown(wrong, 100, 1e9)).toBe(wrong);
    expect([complaint(wrong), complaint(sent(wrong, "next"))]).toEqual(["No.", undefined]);
  });

  test("an answer that comes after a failure changes nothing", () => {
    const wrong: Taps = failed({}, "next", "No.");
    expect(answered(wrong, "next", 3)).toBe(wrong);
  });
});

test("time left is written as on a clock and never negative", () => {
  expect([18_000, 17_001, 580_000, 3_618_000, 0, -5].map(countdown)).toEqual(["0:18", "0:18", "9:40", "1:00:18", "0:00", "0:00"]);
});

describe("a time of day", () => {
  const now = Date.parse("2026-11-20T12:34:56Z");

  test("is the next one on the event's clock", () => {
    const shanghai = zone("Asia/Shanghai").minute;
    expect(new Date(nextAt("21:00", now, shanghai) ?? 0).toISOString()).toBe("2026-11-20T13:00:00.000Z");
    expect(new Date(nextAt("20:34", now, shanghai) ?? 0).toISOString()).toBe("2026-11-21T12:34:00.000Z");
  });

  test("that a clock leaves out, or that is none, is none", () => {
    const berlin = zone("Europe/Berlin").minute;
    expect(nextAt("02:30", Date.parse("2026-03-29T00:00:00Z"), berlin)).toBe(Date.parse("2026-03-30T00:30:00Z"));
    expect(nextAt("", now, berlin)).toBeUndefined();
  });
});
