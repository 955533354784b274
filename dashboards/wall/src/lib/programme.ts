// The sessions side by side: which ones, where each stands, and its curve from its own start on a scale that all share.

import type { Session, State } from "./state";
import { instant, type Zone } from "./time";
import type { Point } from "./trend";

/** Four by two. */
export const CARDS = 8;
/** More values than this on the width of a card are noise. */
const MOST_POINTS = 110;

type Told = NonNullable<State["sessions"]>[string];

export interface Card {
  id: string;
  told: Told & Session;
  startMs: number;
  endMs: number;
  kind: "past" | "now" | "later";
  /** In a box of 1 × 1, whose width is the session as planned. */
  stretches: Point[][];
  last: Point | undefined;
  /** Between two stretches: nothing is known there. */
  gaps: { from: number; to: number }[];
  /** Engagement per minute of the strongest slot. */
  peak: number | undefined;
  /** The session of the day before that it is compared with, from its own start in the same box; empty where none is known. */
  before: Point[][];
}

export function programme(sessions: State["sessions"], now: number): Card[] {
  const known = Object.entries(sessions ?? {}).flatMap(([id, told]) => {
    const [startMs, endMs] = [instant(told.start), instant(told.end)];
    return startMs === undefined || endMs === undefined || endMs <= startMs ? [] : [{ id, told, startMs, endMs }];
  });
  known.sort((a, b) => a.startMs - b.startMs || (a.id < b.id ? -1 : 1));
  // Of more than fit: what is on and what comes, with what was just before.
  const open = known.findIndex(({ endMs }) => endMs > now);
  const from = Math.max(0, Math.min((open < 0 ? known.length : open) - CARDS / 2, known.length - CARDS));
  const shown = known.slice(from, from + CARDS).map((one) => {
    const [{ told, startMs, endMs }, plannedMs] = [one, one.endMs - one.startMs];
    // What comes only counts down: nothing stands before what yesterday had.
    const other = startMs > now || told.yesterday === undefined ? undefined : sessions?.[told.yesterday];
    const then = other === undefined ? [] : rates(other, plannedMs).filter(({ atMs }) => atMs <= plannedMs);
    return { id: one.id, told, startMs, endMs, values: rates(told, plannedMs), then };
  });
  const most = Math.max(1, ...shown.flatMap(({ values, then }) => [...values, ...then].map(({ rate = 0 }) => rate)));
  return shown.map(({ id, told, startMs, endMs, values, then }) => {
    const kind = now < startMs ? "later" : now < endMs ? "now" : "past";
    const point = ({ atMs, rate }: Value): Point | undefined =>
      rate === undefined ? undefined : { x: Math.min(1, atMs / (endMs - startMs)), y: 1 - rate / most };
    const points = values.map(point);
    const peak = Math.max(-1, ...(told.curve?.engagement ?? [])) * (60 / (told.curve?.slot_seconds || 60));
    const stretches = unbroken(points);
    const gaps = stretches.slice(1).map((stretch, i) => ({ from: stretches[i]!.at(-1)!.x, to: stretch[0]!.x }));
    return { id, told, startMs, endMs, kind, stretches, gaps, last: points.at(-1), peak: peak < 0 ? undefined : peak, before: unbroken(then.map(point)) };
  });
}

interface Value {
  /** Middle of what it is of, in milliseconds after the start. */
  atMs: number;
  /** Per minute; undefined = unknown. */
  rate: number | undefined;
}

/** Per minute, whatever the slots' length; where there are more slots than can be seen, the mean of several that are known. */
function rates({ curve }: Pick<Told, "curve">, plannedMs: number): Value[] {
  const slotMs = (curve?.slot_seconds ?? 0) * 1000;
  if (curve === undefined || !(slotMs > 0)) return [];
  const size = Math.max(1, Math.ceil(plannedMs / slotMs / MOST_POINTS));
  const found: Value[] = [];
  for (let i = 0; i < curve.engagement.length; i += size) {
    const some = curve.engagement.slice(i, i + size);
    const known = some.filter((n) => n >= 0);
    const sum = known.reduce((all, n) => all + n, 0);
    found.push({
      atMs: (i + some.length / 2) * slotMs,
      rate: known.length === 0 ? undefined : (sum * 60_000) / (known.length * slotMs),
    });
  }
  return found;
}

function unbroken(points: readonly (Point | undefined)[]): Point[][] {
  const stretches: Point[][] = [];
  let open: Point[] | undefined;
  for (const point of points) {
    if (point === undefined) open = undefined;
    else if (open === undefined) stretches.push((open = [point]));
    else open.push(point);
  }
  return stretches;
}

/** A stretch as an area down to nought. */
export function area(points: readonly Point[], width: number, height: number): string {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return "";
  const along = points.map((p) => `L${(p.x * width).toFixed(1)} ${(p.y * height).toFixed(1)}`).join("");
  return `M${(first.x * width).toFixed(1)} ${height}${along}L${(last.x * width).toFixed(1)} ${height}Z`;
}

/** "20:45" of today, and with its day before it on any other: a time alone is read as today's. `day` counts as `dayNumber` does. */
export function dayAndTime(ms: number, now: number, day: (ms: number) => number, minute: (ms: number) => string, named: (n: number) => string): string {
  const n = day(ms);
  return n === day(now) ? minute(ms) : `${named(n)} ${minute(ms)}`;
}

/** When the first of the sessions begins: it is on day one. */
export function firstStart(sessions: State["sessions"]): number {
  return Math.min(...Object.values(sessions ?? {}).flatMap(({ start }) => instant(start) ?? []));
}

/** The event's day of a moment, counted from that of the first session: 1, 2, …; `dayStart` is "04:00". */
export function dayNumber(ms: number, firstMs: number, dayStart: string | undefined, { date, minute }: Pick<Zone, "date" | "minute">): number {
  // What the zone's clocks show counts, not the hours since its midnight: on two days of a year these differ.
  const day = (at: number): number => Date.parse(`${date(at)}T00:00:00Z`) / 86_400_000 - (minute(at) < (dayStart ?? "00:00") ? 1 : 0);
  return day(ms) - day(firstMs) + 1;
}
