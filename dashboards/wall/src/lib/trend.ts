// The line of the last hour in a box of 1 × 1: whole minutes solid, the running minute apart, unknown minutes as gaps.
// Before the first known minute there was nothing to miss: that is no gap, and a young monitor gets a shorter axis.

export interface Point {
  x: number;
  y: number;
}

export interface Trend {
  /** Unbroken stretches; a single known minute between two unknown ones is a stretch of one. */
  stretches: Point[][];
  /** The last whole minute, when it is known. */
  last: Point | undefined;
  /** From the last whole minute to now; what it shows may still change. */
  running: [Point, Point] | undefined;
  gaps: { from: number; to: number }[];
  peak: { value: number; at: number } | undefined;
  startMs: number;
  endMs: number;
  /** How long the axis is. */
  minutes: number;
  at(ms: number): number;
}

interface History {
  slot_seconds: number;
  start: string;
  engagement: number[];
}

/** The axis steps from one length to the next, so that the line keeps its scale for minutes at a time. */
const SPANS = [10, 20, 30];

/** `running` is the rate of the minute that has not ended yet. */
export function trend(history: History, running: number | undefined): Trend | undefined {
  const { engagement, slot_seconds: slot } = history;
  const first = engagement.findIndex((value) => value >= 0);
  if (first < 0 || engagement.length - first < 2 || !(slot > 0)) return undefined;
  const known = engagement.length - first;
  const length = Math.min(engagement.length, SPANS.find((span) => span >= known) ?? Infinity);
  const values = engagement.slice(-length);
  const startMs = Date.parse(history.start) + (engagement.length - length) * slot * 1000;
  if (Number.isNaN(startMs)) return undefined;
  const steps = values.length; // one step more than whole minutes: the last one is the running minute
  const most = Math.max(1, running ?? 0, ...values);
  const point = (i: number, value: number): Point => ({ x: i / steps, y: 1 - value / most });
  const stretches: Point[][] = [];
  const gaps: { from: number; to: number }[] = [];
  let open: Point[] | undefined;
  let peak: Trend["peak"];
  values.forEach((value, i) => {
    if (value < 0) {
      open = undefined;
      if (stretches.length === 0) return;
      const gap = gaps.at(-1);
      const [from, to] = [Math.max(0, i - 1) / steps, Math.min(values.length - 1, i + 1) / steps];
      if (gap !== undefined && gap.to >= from) gap.to = to;
      else gaps.push({ from, to });
      return;
    }
    if (open === undefined) stretches.push((open = []));
    open.push(point(i, value));
    if (peak === undefined || value >= peak.value) peak = { value, at: startMs + i * slot * 1000 };
  });
  const end = values.at(-1) ?? -1;
  const last = end < 0 ? undefined : point(values.length - 1, end);
  return {
    stretches,
    last,
    running: last !== undefined && running !== undefined ? [last, point(steps, running)] : undefined,
    gaps,
    peak: peak !== undefined && peak.value > 0 ? peak : undefined,
    startMs,
    endMs: startMs + steps * slot * 1000,
    minutes: (steps * slot) / 60,
    at: (ms) => (ms - startMs) / (steps * slot * 1000),
  };
}

/** Full quarter hours (or the like), at most five of them. */
export function ticks({ startMs, endMs }: Trend): number[] {
  const size = [2, 5, 10, 15, 30, 60].map((m) => m * 60_000).find((s) => (endMs - startMs) / s <= 4) ?? 3_600_000;
  const found: number[] = [];
  for (let t = Math.ceil(startMs / size) * size; t <= endMs; t += size) found.push(t);
  return found;
}

export function path(points: readonly Point[], width: number, height: number): string {
  return points.map((p, i) => `${i ? "L" : "M"}${(p.x * width).toFixed(1)} ${(p.y * height).toFixed(1)}`).join("");
}
