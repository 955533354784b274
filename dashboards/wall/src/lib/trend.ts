// The line of the last hour in a box of 1 × 1: whole minutes solid, the running minute apart, unknown minutes as gaps.

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
  at(ms: number): number;
}

interface History {
  slot_seconds: number;
  start: string;
  engagement: number[];
}

/** `running` is the rate of the minute that has not ended yet. */
export function trend(history: History, running: number | undefined): Trend | undefined {
  const { engagement: values, slot_seconds: slot } = history;
  const startMs = Date.parse(history.start);
  if (values.length < 2 || !(slot > 0) || Number.isNaN(startMs)) return undefined;
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
    at: (ms) => (ms - startMs) / (steps * slot * 1000),
  };
}

/** Full quarter hours (or the like), at most five of them. */
export function ticks({ startMs, endMs }: Trend): number[] {
  const size = [5, 10, 15, 30, 60].map((m) => m * 60_000).find((s) => (endMs - startMs) / s <= 5) ?? 3_600_000;
  const found: number[] = [];
  for (let t = Math.ceil(startMs / size) * size; t <= endMs; t += size) found.push(t);
  return found;
}

export function path(points: readonly Point[], width: number, height: number): string {
  return points.map((p, i) => `${i ? "L" : "M"}${(p.x * width).toFixed(1)} ${(p.y * height).toFixed(1)}`).join("");
}
