import { describe, expect, test } from "vitest";
import { boards } from "../src/lib/boards";
import { readRoute, SCENES, worthShowing, writeRoute, type Scene } from "../src/lib/scenes";
import { act, actOf, ASKING_MS, begin, isSafe, routeOf, type Act, type Show } from "../src/lib/show";
import { plan } from "../src/lib/sessions";
import type { State } from "../src/lib/state";

const at = (scene: Scene, more: Partial<Show> = {}): Show => ({ ...begin({ scene, query: "" }, 0, 0), ...more });
const press = (show: Show, ...keys: string[]): Show =>
  keys.reduce((shown, key) => act(shown, actOf(key) ?? { kind: "tick" }, 1000), show);

describe("addresses", () => {
  test("name a scene and keep what stands behind the question mark", () => {
    expect(readRoute("#/countries?lang=zh&rotate=30")).toEqual({ scene: "countries", query: "lang=zh&rotate=30" });
    expect(readRoute("#/?theme=light")).toEqual({ scene: undefined, query: "theme=light" });
    expect(readRoute("")).toEqual({ scene: undefined, query: "" });
    expect(readRoute("#/safe")).toEqual({ scene: "safe", query: "" });
  });

  test("of no scene lead to none, whatever they are called", () => {
    for (const hash of ["#/constructor", "#/__proto__", "#/countries/x", "#countries?"]) {
      expect(readRoute(hash).scene).toBe(hash === "#countries?" ? "countries" : undefined);
    }
  });

  test("name one thing of the spikes, whatever its id is made of", () => {
    for (const of of ["s1", "country:BR+robots@12/3?x", "100%"]) {
      const route = { scene: "spikes" as const, query: "lang=zh", of };
      expect(readRoute(writeRoute(route))).toEqual(route);
    }
    expect(readRoute("#/spikes/%E0%A4%A")).toEqual({ scene: "spikes", query: "", of: "%E0%A4%A" });
  });

  test("written and read again are the same", () => {
    for (const scene of [...SCENES, "safe" as const]) {
      const route = { scene, query: "lang=zh" };
      expect(readRoute(writeRoute(route))).toEqual(route);
    }
  });
});

describe("keys", () => {
  test("a digit goes to its scene, arrows and a presenter's remote to the neighbour, round the corner", () => {
    expect(press(at("overview"), "4").scene).toBe("moves");
    expect(press(at("overview"), "ArrowLeft").scene).toBe("spikes");
    expect(press(at("spikes"), "PageDown").scene).toBe("overview");
    expect(press(at("topics"), "ArrowRight").scene).toBe("moves");
    expect(press(at("topics"), "9", "x", "0").scene).toBe("topics");
  });

  test("m changes the measure of the countries and of nothing else", () => {
    expect(press(at("countries"), "m").raw).toBe(true);
    expect(press(at("topics"), "m").raw).toBe(false);
  });
});

describe("rotation", () => {
  const turn = (show: Show, now: number, stops?: readonly Scene[]): Show => act(show, { kind: "tick" }, now, stops);
  const rotating = at("overview", { rotateMs: 30_000 });

  test("turns when its time is over, not before, and not when there is none", () => {
    expect(turn(rotating, 29_999)).toBe(rotating);
    expect(turn(rotating, 30_000).scene).toBe("countries");
    expect(turn(at("overview"), 1e9).scene).toBe("overview");
  });

  test("stops only where there is something to show", () => {
    expect(turn(rotating, 30_000, ["overview", "sessions"]).scene).toBe("sessions");
    expect(turn(at("topics", { rotateMs: 1000 }), 30_000, []).scene).toBe("topics");
  });

  test("a person's choice stays its full time, and a pause until it is ended", () => {
    const chosen = act(rotating, { kind: "to", scene: "topics" }, 29_000);
    expect(turn(chosen, 58_999).scene).toBe("topics");
    const paused = act(rotating, { kind: "pause" }, 1000);
    expect(turn(paused, 1e9).scene).toBe("overview");
    expect(turn(act(paused, { kind: "pause" }, 60_000), 89_999).scene).toBe("overview");
    expect(act(at("overview"), { kind: "pause" }, 0).paused).toBe(false);
    expect(turn(act(rotating, { kind: "stay" }, 20_000), 49_999).scene).toBe("overview");
  });
});

describe("the safe scene", () => {
  const safe = press(at("topics", { rotateMs: 1000 }), "s");

  test("comes at one key or by its address", () => {
    expect(safe.safe).toBe("on");
    expect(begin(readRoute("#/safe"), 0, 0).safe).toBe("on");
    expect(act(at("moves"), { kind: "address", route: readRoute("#/safe") }, 0).safe).toBe("on");
  });

  test("no other key, no turn and no address leads away from it", () => {
    for (const key of ["1", "ArrowRight", " ", "m", "Enter", "x"]) expect(press(safe, key)).toBe(safe);
    expect(act(safe, { kind: "tick" }, 1e9)).toBe(safe);
    const elsewhere: Act = { kind: "address", route: readRoute("#/overview") };
    expect(act(safe, elsewhere, 0)).toBe(safe);
  });

  test("leaves by a question and its answer, to the scene before", () => {
    expect(press(safe, "Escape").safe).toBe("asking");
    expect(press(safe, "s").safe).toBe("asking");
    const left = press(safe, "Escape", "Enter");
    expect([left.safe, left.scene]).toEqual(["off", "topics"]);
  });

  test("an unanswered question goes away by itself", () => {
    const asking = act(safe, { kind: "leave" }, 1000);
    expect(act(asking, { kind: "tick" }, 999 + ASKING_MS).safe).toBe("asking");
    expect(act(asking, { kind: "tick" }, 1000 + ASKING_MS).safe).toBe("on");
  });

  test("stands in the address, so that a reload keeps it", () => {
    expect(writeRoute(routeOf(safe, "lang=zh"))).toBe("#/safe?lang=zh");
    expect(writeRoute(routeOf(press(safe, "s", "Enter"), ""))).toBe("#/topics");
  });

  test("knows by the plan what is on and what comes, without any feed", () => {
    const sessions = {
      b: { name: "B", start: "2026-11-20T10:00:00Z", end: "2026-11-20T12:00:00Z" },
      a: { name: "A", start: "2026-11-20T09:00:00Z", end: "2026-11-20T11:00:00Z" },
      c: { name: "C", start: "2026-11-20T12:00:00Z", end: "2026-11-20T13:00:00Z" },
      bad: { name: "D", start: "soon", end: "later" },
    };
    const now = (time: string): number => Date.parse(`2026-11-20T${time}Z`);
    expect(plan(sessions, now("10:30:00")).on.map((s) => s.id)).toEqual(["a", "b"]);
    expect(plan(sessions, now("11:00:00")).on.map((s) => s.id)).toEqual(["b"]);
    expect(plan(sessions, now("11:00:00")).next?.session.name).toBe("C");
    expect(plan(sessions, now("13:00:00"))).toEqual({ on: [], next: undefined });
  });
});

describe("a wall that follows", () => {
  const led = (show: Show, scene: Scene | undefined, safe = false, now = 1000): Show => act(show, { kind: "told", scene, safe }, now);
  const following = begin(readRoute("#/topics"), 5000, 0, true);

  test("shows the producer's scene, and no key, turn or address shows another", () => {
    const show = led(following, "voices");
    expect(show.scene).toBe("voices");
    for (const key of ["1", "ArrowRight", " ", "PageUp"]) expect(press(show, key)).toBe(show);
    expect(act(show, { kind: "tick" }, 1e9)).toBe(show);
    expect(act(show, { kind: "address", route: readRoute("#/overview") }, 2000)).toBe(show);
  });

  test("is led like any other until it was told something", () => {
    expect(press(following, "1").scene).toBe("overview");
    expect(act(following, { kind: "tick" }, 5000).scene).not.toBe("topics");
  });

  test("stays with its scene when it does not know the producer's", () => {
    expect(led(led(following, "voices"), undefined).scene).toBe("voices");
  });

  test("is told the same every frame and is the same object then", () => {
    const show = led(following, "voices");
    expect(led(show, "voices")).toBe(show);
    expect(led(show, undefined)).toBe(show);
  });

  test("shows the producer's safe scene until the producer takes it down, whatever is pressed here", () => {
    const safe = led(led(following, "voices"), "voices", true);
    expect(isSafe(safe)).toBe(true);
    for (const keys of [["Escape", "Enter"], ["1"], [" "], ["m"]]) expect(isSafe(press(safe, ...keys))).toBe(true);
    expect(act(safe, { kind: "tick" }, 1e9)).toBe(safe);
    const other = led(safe, "topics", true);
    expect([isSafe(other), isSafe(led(other, "topics", false)), led(other, "topics", false).scene]).toEqual([true, false, "topics"]);
  });

  test("has a safe scene of its own beside the producer's, and both must be left", () => {
    const both = press(led(following, "voices", true), "s");
    expect(isSafe(led(both, "voices", false))).toBe(true);
    expect(isSafe(press(led(both, "voices", false), "Escape", "Enter"))).toBe(false);
    expect(isSafe(act(led(following, "voices"), { kind: "address", route: readRoute("#/safe") }, 0))).toBe(true);
  });

  test("loaded again under the producer's safe scene it shows that from its first moment", () => {
    const again = begin(readRoute("#/topics"), 0, 0, true, true);
    expect(isSafe(again)).toBe(true);
    expect(press(again, "Escape", "Enter", "1")).toBe(again);
    expect(isSafe(led(again, "voices", false))).toBe(false);
  });

  test("a wall that does not follow is told nothing", () => {
    const show = at("topics");
    expect(led(show, "voices", true)).toBe(show);
    expect(isSafe(begin(readRoute("#/topics"), 0, 0, false, true))).toBe(false);
  });
});

test("rotation leaves out scenes without anything of their own", () => {
  const full: State = {
    topics: { a: {} },
    sessions: { s: { name: "S", start: "", end: "" } },
    cross: { country_topic: { BR: { a: { hour: 1 } } } },
    highlights: { v: { text: "hello", state: "approved" } },
    spikes: { s: { dimension: "country", value: "BR", state: "open", since: "", severity: 5, factor: 3 } },
  };
  expect(worthShowing(full, false)).toEqual([...SCENES]);
  expect(worthShowing(full, true)).toEqual(["overview", "sessions", "livestreams"]);
  expect(worthShowing({}, false)).toEqual(["overview", "countries", "livestreams"]);
  const waiting: State = { highlights: { v: { text: "hello", state: "waiting" } } };
  expect(worthShowing(waiting, false)).not.toContain("voices");
});

test("orders and scales are remembered while other scenes are shown, and for both measures", () => {
  const state = (br: number): State => ({
    countries: Object.fromEntries(
      [["BR", br], ["TH", 60], ["MX", 30]].map(([code, n]) => [code, { livestreams: 3, engagement: { total: 9, per_minute: n as number } }]),
    ),
    topics: { a: { engagement: { total: 1, per_minute: 5 } }, b: { engagement: { total: 9 } } },
  });
  const first = boards(undefined, state(90), 0);
  const second = boards(first, state(45), 5000);
  expect(first.measure).toBe("per_livestream");
  expect(second.countries.per_livestream.ranking.order).toEqual(["BR", "TH", "MX"]);
  expect(second.countries.per_minute.world.scale).toBe(first.countries.per_minute.world.scale);
  expect([...second.topics.values]).toEqual([["a", 5]]);
});
