// Which message stands where on Voices. A message is chosen for a place that can hold all of it, never cut into one; what stands
// stays until the scene's next turn, and what was taken back is gone at once while its neighbours stay where they are.

import { isTall, scriptOf } from "./scripts";
import type { Highlight } from "./state";

export interface Place {
  id: string;
  /** px at 1080p. */
  size: number;
  width: number;
  lines: number;
  /** CSS weight; heavier letters are wider. */
  weight: number;
  /** Places above one another share the height of their column, in px of text. */
  column: string;
  scale?: number;
}

/** In the order in which they are filled: the featured one, the right column, the two below. */
export const PLACES: readonly Place[] = [
  { id: "featured", size: 92, width: 1050, lines: 4, weight: 600, column: "" },
  { id: "right1", size: 42, width: 741, lines: 3, weight: 500, column: "right" },
  { id: "right2", size: 42, width: 741, lines: 3, weight: 500, column: "right" },
  { id: "right3", size: 36, width: 741, lines: 3, weight: 500, column: "right" },
  { id: "right4", size: 34, width: 741, lines: 3, weight: 500, column: "right" },
  { id: "below1", size: 32, width: 509, lines: 3, weight: 500, column: "" },
  { id: "below2", size: 32, width: 509, lines: 3, weight: 500, column: "" },
];

/** The three beside the Overview on a stage. */
export const ASIDE: readonly Place[] = [1, 2, 3].map((n) => ({
  id: `aside${n}`,
  size: 32,
  width: 432,
  lines: 2,
  weight: 500,
  column: "aside",
}));

/** What a column has for text, and what rules, meta lines and margins take of it at scale 1. */
const HEIGHTS: Readonly<Record<string, readonly [whole: number, taken: number]>> = { right: [826, 302], aside: [540, 222] };

/** Larger type in the same picture: the same places hold less of it. */
export function scaled(places: readonly Place[], scale: number): Place[] {
  return places.map((place) => ({
    ...place,
    scale,
    size: place.size * scale,
    lines: scale > 1 && place.size > 60 ? 3 : scale >= 1.3 ? Math.min(place.lines, 2) : place.lines,
  }));
}

export function lineHeight(script: string, size: number): number {
  return isTall(script) ? (size > 60 ? 1.36 : 1.5) : size > 60 ? 1.14 : 1.34;
}

export const LEAST_SCRIPTS = 3;

export interface Voice extends Highlight {
  id: string;
  script: string;
}

/** What may be on a screen. `waiting` messages are nobody's to show yet, in no profile. */
export function quotable(highlights: Readonly<Record<string, Highlight>> | undefined): Voice[] {
  return Object.entries(highlights ?? {}).flatMap(([id, one]) =>
    typeof one?.text === "string" && one.text.trim() !== "" && (one.state === "approved" || one.state === "clean")
      ? [{ ...one, id, script: scriptOf(one.text) }]
      : [],
  );
}

export function waiting(highlights: Readonly<Record<string, Highlight>> | undefined): number {
  return Object.values(highlights ?? {}).filter((one) => one?.state === "waiting").length;
}

/** Width of a run of text, in ems of its size. */
export type Measure = (text: string, place: Place) => number;

/** Without a screen to measure on: wide enough for every font of the list, so that it errs on the side of too long. */
export function roughly(text: string): number {
  let ems = 0;
  for (const { segment } of GRAPHEMES.segment(text)) ems += advance(segment);
  return ems;
}

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const WORDS = new Intl.Segmenter(undefined, { granularity: "word" });

function advance(grapheme: string): number {
  if (/\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(grapheme)) return 1.3;
  if (/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff00-\uffef]/u.test(grapheme)) return 1;
  if (/^\s/.test(grapheme)) return 0.28;
  if (/[\p{Lu}\p{Script=Devanagari}\p{Script=Myanmar}\p{Script=Khmer}MWmw@%]/u.test(grapheme)) return 0.76;
  return 0.6;
}

/** How many lines it takes at this place, broken between words as a browser would, or inside one that is longer than a line. */
export function linesNeeded(text: string, place: Place, measure: Measure = roughly): number {
  const most = (place.width / place.size) * 0.985;
  let lines = 0;
  for (const paragraph of text.split(/\r\n|[\n\r\u2028\u2029]/)) {
    let used = 0;
    lines += 1;
    for (const piece of pieces(paragraph)) {
      const whole = measure(piece, place);
      const seen = measure(piece.trimEnd(), place); // a space at the end of a line hangs
      if (used + seen <= most) used += whole;
      else if (seen <= most) [lines, used] = [lines + (used > 0 ? 1 : 0), whole];
      else {
        const rest = seen - (most - used);
        const more = Math.ceil(rest / most);
        [lines, used] = [lines + more, Math.min(most, rest - (more - 1) * most)];
      }
      if (lines > place.lines) return lines;
    }
  }
  return lines;
}

/** What cannot be broken: a word with what clings to it. */
function pieces(text: string): string[] {
  const found: string[] = [];
  for (const { segment, isWordLike } of WORDS.segment(text)) {
    const last = found.at(-1);
    const clings = !isWordLike && last !== undefined && (/^[\s\p{Po}\p{Pe}\p{Pf}]+$/u.test(segment)) && !(/\s$/.test(last) && !/^\s/.test(segment));
    if (clings) found[found.length - 1] = last + segment;
    else if (last !== undefined && /[#@_]$/.test(last)) found[found.length - 1] = last + segment; // hashtags and handles stay whole
    else found.push(segment);
  }
  return found;
}

/** Tall lines: fewer in the same height. */
function mostLines(voice: Voice, place: Place): number {
  return isTall(voice.script) && place.size > 60 ? place.lines - 1 : place.lines;
}

export function fits(voice: Voice, place: Place, measure: Measure = roughly): boolean {
  return linesNeeded(voice.text, place, measure) <= mostLines(voice, place);
}

export interface Standing {
  /** Place → id of the message that stands there. */
  at: ReadonlyMap<string, string>;
  /** Places that a message left in this turn: nothing takes them before the next one. */
  left: ReadonlySet<string>;
  /** Ids that have stood in an earlier turn: new ones go first. */
  shown: ReadonlySet<string>;
}

export const NOBODY: Standing = { at: new Map(), left: new Set(), shown: new Set() };

/** What stands now. With `turn` everything is chosen anew; without it only empty places are filled, and nothing moves but for a pin. */
export function stand(
  old: Standing,
  voices: readonly Voice[],
  turn: boolean,
  places: readonly Place[] = PLACES,
  measure: Measure = roughly,
): Standing {
  const byId = new Map(voices.map((voice) => [voice.id, voice]));
  const at = new Map<string, Voice>();
  const left = new Set<string>(turn ? [] : old.left);
  for (const place of places) {
    const id = old.at.get(place.id);
    if (turn || id === undefined) continue;
    const here = byId.get(id);
    if (here === undefined) left.add(place.id);
    else at.set(place.id, here);
  }
  const shown = turn ? new Set([...old.shown, ...old.at.values()].filter((id) => byId.has(id))) : old.shown;
  const taken = new Set([...at.values()].map(({ id }) => id));
  const needed = new Map<string, number>();
  const height = (voice: Voice, place: Place): number => {
    const key = `${place.size} ${place.width} ${voice.id}`;
    let lines = needed.get(key);
    if (lines === undefined) needed.set(key, (lines = linesNeeded(voice.text, place, measure)));
    return lines > mostLines(voice, place) ? Infinity : lines * place.size * lineHeight(voice.script, place.size);
  };
  const goesTo = (voice: Voice, place: Place): boolean => {
    const own = height(voice, place);
    if (place.column === "" || own === Infinity) return own !== Infinity;
    // Those of the column that stand keep their height, and those still open get a line at least.
    const others = places.filter((other) => other.column === place.column && other.id !== place.id);
    const rest = others.map((other) => (at.has(other.id) ? height(at.get(other.id)!, other) : other.size * 1.5));
    const [whole, taken] = HEIGHTS[place.column] ?? [Infinity, 0];
    return rest.reduce((sum, one) => sum + one, own) <= whole - taken * (place.scale ?? 1);
  };
  // A pin is a person's wish of now: it does not wait for the turn, and whoever stood there goes.
  for (const voice of voices) {
    if (turn || voice.pinned !== true || taken.has(voice.id)) continue;
    const place = places.find((one) => at.get(one.id)?.pinned !== true && goesTo(voice, one));
    if (place === undefined) continue;
    taken.delete(at.get(place.id)?.id ?? "");
    at.set(place.id, voice);
    taken.add(voice.id);
    left.delete(place.id);
  }
  const open = places.filter((place) => !at.has(place.id) && !left.has(place.id));
  for (const place of open) {
    const used = count([...at.values()].map(({ script }) => script));
    const before = (a: Voice, b: Voice): number =>
      Number(b.pinned === true) - Number(a.pinned === true) ||
      (used.get(a.script) ?? 0) - (used.get(b.script) ?? 0) ||
      Number(shown.has(a.id)) - Number(shown.has(b.id)) ||
      (b.score ?? 0) - (a.score ?? 0) ||
      (a.id < b.id ? -1 : 1);
    const next = voices.filter((voice) => !taken.has(voice.id) && goesTo(voice, place)).sort(before)[0];
    if (next === undefined) continue;
    at.set(place.id, next);
    taken.add(next.id);
  }
  if (turn) mix(at, voices, taken, places, goesTo);
  return { at: new Map([...at].map(([place, { id }]) => [place, id])), left, shown };
}

/** Where fewer than three scripts came together and more are to be had, one that repeats gives way, the least place first. */
function mix(
  at: Map<string, Voice>,
  voices: readonly Voice[],
  taken: Set<string>,
  places: readonly Place[],
  goesTo: (voice: Voice, place: Place) => boolean,
): void {
  for (const voice of voices) {
    const used = count([...at.values()].map(({ script }) => script));
    if (used.size >= LEAST_SCRIPTS) return;
    if (used.has(voice.script) || taken.has(voice.id)) continue;
    const place = places.toReversed().find((one) => {
      const here = at.get(one.id);
      return here !== undefined && here.pinned !== true && (used.get(here.script) ?? 0) > 1 && goesTo(voice, one);
    });
    if (place === undefined) continue;
    taken.delete(at.get(place.id)!.id);
    at.set(place.id, voice);
    taken.add(voice.id);
  }
}

function count(names: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const name of names) found.set(name, (found.get(name) ?? 0) + 1);
  return found;
}

export type Run = { text: string; whole: boolean };

const KEPT = /(?:(?:\p{Regional_Indicator}{2}|\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})*(?:\u200d\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})*)*)){1,6}|#[\p{L}\p{N}\p{M}_]{1,22}(?![\p{L}\p{N}\p{M}_])/gu;

/** Runs of a message; emoji that stand together and short hashtags are not broken. */
export function runs(text: string): Run[] {
  const found: Run[] = [];
  let from = 0;
  for (const match of text.matchAll(KEPT)) {
    if (match.index > from) found.push({ text: text.slice(from, match.index), whole: false });
    found.push({ text: match[0], whole: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ text: text.slice(from), whole: false });
  return found;
}
