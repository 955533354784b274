import { describe, expect, test } from "vitest";
import { isTall, scriptOf, tagOf } from "../src/lib/scripts";
import { fits, linesNeeded, NOBODY, PLACES, quotable, runs, stand, waiting, type Voice } from "../src/lib/voices";

const TEXTS: Record<string, string> = {
  latin: "The robot danced and the whole hall stood up",
  han: "现场看机器人跳舞，比视频里还稳",
  arabic: "السيارة الطائرة حلّقت فوق رؤوسنا",
  thai: "ไฮบริดวิ่งไกลกว่าที่คิดมาก",
  cyrillic: "Краш-тест прямо на сцене",
  devanagari: "भविष्य सच में आ गया है",
  hebrew: "הרובוט רקד וכולם קמו",
  kana: "ロボットが踊って会場が沸いた",
};

const one = (id: string, script: string, more: Partial<Voice> = {}): Voice => ({ id, text: TEXTS[script]!, state: "approved", score: 1, script, ...more });
const some = (script: string, n: number, score = 1): Voice[] => Array.from({ length: n }, (_, i) => one(`${script}${i}`, script, { score: score + i / 100 }));

/** A die that always falls the same way. */
function dice(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

describe("scripts", () => {
  test("are told by most of the letters", () => {
    for (const [script, text] of Object.entries(TEXTS)) expect(scriptOf(`${text} 🔥 123`)).toBe(script);
    expect(scriptOf("🔥🔥 123")).toBe("other");
  });

  test("a language tag is taken when it is one, and never anything else", () => {
    expect(tagOf("pt-BR", "x")).toBe("pt-BR");
    expect(tagOf('"><script>', "ไฮบริด")).toBe("th");
    expect(tagOf(undefined, "hello")).toBe("und");
  });
});

describe("a place", () => {
  const [large, right] = [PLACES[0]!, PLACES[1]!];

  test("takes no message that would need more lines than it has", () => {
    const long = one("x", "latin", { text: `${"word ".repeat(60)}` });
    for (const place of PLACES) expect(fits(long, place)).toBe(false);
    expect(fits(one("y", "latin"), large)).toBe(true);
  });

  test("counts a word longer than a line as the lines it takes", () => {
    expect(linesNeeded("W".repeat(200), right)).toBeGreaterThan(3);
    expect(linesNeeded("a\nb\nc\nd", right)).toBe(4);
    expect(linesNeeded("短", right)).toBe(1);
  });

  test("needs more lines for a longer text, never fewer", () => {
    const roll = dice(7);
    const words = Object.values(TEXTS).flatMap((text) => text.split(" "));
    for (let i = 0; i < 200; i += 1) {
      const text = Array.from({ length: 1 + Math.floor(roll() * 20) }, () => words[Math.floor(roll() * words.length)]).join(" ");
      expect(linesNeeded(`${text} end`, { ...right, lines: 99 })).toBeGreaterThanOrEqual(linesNeeded(text, { ...right, lines: 99 }));
    }
  });
});

describe("the choice", () => {
  const scriptsOf = (voices: readonly Voice[], ids: Iterable<string>): Set<string> =>
    new Set([...ids].map((id) => voices.find((voice) => voice.id === id)!.script));

  test("has three scripts whenever three fit, however much better the others are", () => {
    const voices = [...some("latin", 30, 50), one("t", "thai"), one("a", "arabic", { score: 0 })];
    const { at } = stand(NOBODY, voices, true);
    expect(at.size).toBe(PLACES.length);
    expect(scriptsOf(voices, at.values()).size).toBe(3);
  });

  test("of anything has every message once, only where it fits, and at least three scripts when they can be had", () => {
    const roll = dice(11);
    for (let round = 0; round < 30; round += 1) {
      const voices = Array.from({ length: Math.floor(roll() * 14) }, (_, i) => {
        const script = Object.keys(TEXTS)[Math.floor(roll() * 8)]!;
        return one(`${i}`, script, { text: `${TEXTS[script]} `.repeat(1 + Math.floor(roll() * 4)), score: roll(), pinned: roll() < 0.1 });
      });
      const { at } = stand(NOBODY, voices, true);
      expect(new Set(at.values()).size).toBe(at.size);
      for (const [id, message] of at) {
        expect(fits(voices.find((voice) => voice.id === message)!, PLACES.find((place) => place.id === id)!)).toBe(true);
      }
      const everywhere = voices.filter((voice) => PLACES.every((place) => fits(voice, place)) && voice.pinned !== true);
      const wanted = Math.min(3, new Set(everywhere.map(({ script }) => script)).size);
      if (voices.every(({ pinned }) => pinned !== true)) expect(scriptsOf(voices, at.values()).size).toBeGreaterThanOrEqual(wanted);
    }
  });

  test("gives a pinned message the first place that holds it", () => {
    const voices = [...some("latin", 9, 50), one("p", "latin", { pinned: true, score: 0 })];
    expect(stand(NOBODY, voices, true).at.get("featured")).toBe("p");
  });

  test("stands until the next turn, whatever comes", () => {
    const before = stand(NOBODY, some("latin", 7), true);
    const after = stand(before, [...some("latin", 7), one("new", "thai", { score: 99 })], false);
    expect(after.at).toEqual(before.at);
    expect([...stand(after, [...some("latin", 7), one("new", "thai", { score: 99 })], true).at.values()]).toContain("new");
  });

  test("a pin does not wait for the turn: it takes the first place that holds it, and the others stay", () => {
    const before = stand(NOBODY, some("latin", 9), true);
    const after = stand(before, [...some("latin", 9), one("pin", "thai", { pinned: true })], false);
    expect(after.at.get("featured")).toBe("pin");
    for (const [place, id] of before.at) if (place !== "featured") expect(after.at.get(place)).toBe(id);
    expect(stand(after, [...some("latin", 9), one("pin", "thai", { pinned: true })], false).at).toEqual(after.at);
  });

  test("lets a removed message go at once, and nothing takes its place or moves", () => {
    const all = [...some("latin", 9), ...some("thai", 2)];
    const before = stand(NOBODY, all, true);
    const gone = before.at.get("right2")!;
    const rest = all.filter(({ id }) => id !== gone);
    const after = stand(before, rest, false);
    expect(after.at.has("right2")).toBe(false);
    for (const [place, id] of before.at) if (place !== "right2") expect(after.at.get(place)).toBe(id);
    const again = stand(after, [...rest, one("late", "hebrew")], false);
    expect(again.at.has("right2")).toBe(false);
    expect(stand(again, rest, true).at.has("right2")).toBe(true);
  });

  test("fills a place that was never taken as soon as something comes", () => {
    const before = stand(NOBODY, [one("a", "latin")], true);
    const after = stand(before, [one("a", "latin"), one("b", "thai")], false);
    expect(after.at.get("featured")).toBe("a");
    expect([...after.at.values()]).toContain("b");
  });

  test("prefers in the next turn what has not stood before", () => {
    const all = some("latin", 14);
    const first = stand(NOBODY, all, true);
    const second = stand(first, all, true);
    const overlap = [...second.at.values()].filter((id) => [...first.at.values()].includes(id));
    expect(overlap).toEqual([]);
  });

  test("never quotes what waits, in no profile", () => {
    const state = { a: { text: "x", state: "waiting" }, b: { text: "y", state: "clean" }, c: { text: " ", state: "approved" }, d: { text: "z" } };
    expect(quotable(state).map(({ id }) => id)).toEqual(["b"]);
    expect(waiting(state)).toBe(1);
    expect(quotable(undefined)).toEqual([]);
  });
});

describe("runs", () => {
  test("keep emoji and short hashtags whole and lose nothing", () => {
    const text = "wow 🤖🔥👩🏽‍🔧 #robôdança!";
    expect(runs(text)).toEqual([
      { text: "wow ", whole: false },
      { text: "🤖🔥👩🏽‍🔧", whole: true },
      { text: " ", whole: false },
      { text: "#robôdança", whole: true },
      { text: "!", whole: false },
    ]);
  });

  test("do not keep together what would be longer than a line", () => {
    for (const text of ["🔥".repeat(300), `#${"a".repeat(80)}`]) {
      const found = runs(text);
      expect(found.map((run) => run.text).join("")).toBe(text);
      expect(Math.max(...found.filter(({ whole }) => whole).map((run) => [...run.text].length), 0)).toBeLessThanOrEqual(23);
    }
  });

  test("tall scripts are those whose marks stack", () => {
    expect([isTall("thai"), isTall("latin"), isTall("han")]).toEqual([true, false, false]);
  });
});
