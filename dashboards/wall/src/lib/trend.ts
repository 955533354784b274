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
  /** What was expected: polygons, one for each stretch in which it is known. */
  bands: Point[][];
  /** Between the line and the band, where the line is above it, or below it. */
  above: Point[][];
  below: Point[][];
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
  expected?: { low: number[]; high: number[] } | undefined;
}

/** The axis steps from one length to the next, so that the line keeps its scale for minutes at a time. */
const SPANS = [10, 20, 30];

/** `running` is the rate of the minute that has not ended yet; `all` keeps the length as it is given and ends at the last value. */
export function trend(history: History, running: number | undefined, all = false): Trend | undefined {
  const { engagement, slot_seconds: slot } = history;
  const first = engagement.findIndex((value) => value >= 0);
  if (first < 0 || engagement.length - first < 2 || !(slot > 0)) return undefined;
  const known = engagement.length - first;
  const length = all ? engagement.length : Math.min(engagement.length, SPANS.find((span) => span >= known) ?? Infinity);
  const values = engagement.slice(-length);
  const startMs = Date.parse(history.start) + (engagement.length - length) * slot * 1000;
  if (Number.isNaN(startMs)) return undefined;
  const steps = values.length - (all ? 1 : 0); // one step more than whole minutes: the last one is the running minute
  const [low, high] = [history.expected?.low.slice(-length) ?? [], history.expected?.high.slice(-length) ?? []];
  const most = Math.max(1, running ?? 0, ...values, ...high);
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
  // The expected band reaches under the running minute, too.
  const unknown = values.map((value, i) => (value < 0 || !((high[i] ?? -1) >= 0 && (low[i] ?? -1) >= 0) ? -1 : value));
  const [upper, lower] = [high.map((value, i) => ((low[i] ?? -1) < 0 ? -1 : value)), low];
  const last = end < 0 ? undefined : point(values.length - 1, end);
  return {
    stretches,
    last,
    running: last !== undefined && running !== undefined ? [last, point(steps, running)] : undefined,
    gaps,
    bands: between(upper, lower, point, true),
    above: between(unknown, upper, point),
    below: between(lower.map((value, i) => (unknown[i]! < 0 ? -1 : value)), unknown, point),
    peak: peak !== undefined && peak.value > 0 ? peak : undefined,
    startMs,
    endMs: startMs + steps * slot * 1000,
    minutes: (steps * slot) / 60,
    at: (ms) => (ms - startMs) / (steps * slot * 1000),
  };
}

/** Closed shapes wherever `upper` is above `lower`, from crossing to crossing; −1 in either is unknown and ends a shape. */
function between(upper: readonly number[], lower: readonly number[], point: (i: number, value: number) => Point, touching = false): Point[][] {
  const found: Point[][] = [];
  let [over, under]: [Point[], Point[]] = [[], []];
  const close = (): void => {
    if (over.length > 1) found.push([...over, ...under.toReversed()]);
    [over, under] = [[], []];
  };
  const differ = (i: number): number | undefined => {
    const [a = -1, b = -1] = [upper[i], lower[i]];
    return a < 0 || b < 0 ? undefined : a - b;
  };
  for (let i = 0; i < upper.length; i += 1) {
    const here = differ(i);
    if (here === undefined) {
      close();
      continue;
    }
    const before = i > 0 ? differ(i - 1) : undefined;
    if (!touching && before !== undefined && before * here < 0) {
      const t = before / (before - here);
      const at = point(i - 1 + t, upper[i - 1]! + t * (upper[i]! - upper[i - 1]!));
      over.push(at);
      under.push(at);
      if (here < 0) close();
    }
    if (here > 0 && before === 0 && over.length === 0) {
      over.push(point(i - 1, upper[i - 1]!));
      under.push(point(i - 1, lower[i - 1]!));
    }
    if (here > 0 || touching) {
      over.push(point(i, upper[i]!));
      under.push(point(i, lower[i]!));
    } else if (here === 0 && over.length > 0) {
      over.push(point(i, upper[i]!));
      close();
    }
  }
  close();
  return found;
}

/** Words of this height (of the box) at the foot of the chart, between these places, would be struck through by the line. */
export function crosses({ stretches, running }: Pick<Trend, "stretches" | "running">, from: number, to: number, height: number): boolean {
  const lines = running === undefined ? stretches : [...stretches, [...running]];
  return lines.some((points) => points.some(({ x, y }, i) => {
    const next = points[i + 1];
    if (x >= from && x <= to) return y > 1 - height;
    // Between two points the lower one counts: better too careful.
    return next !== undefined && x < from && next.x > from && Math.max(y, next.y) > 1 - height;
  }));
}

/** A time that stands nearer to an end than this would be cut off. */
const EDGE = 0.03;
const SIZES = [2, 5, 10, 15, 30, 60].map((minutes) => minutes * 60_000);

/** Full quarter hours (or the like), at most five of them; their distance hangs on the length alone, so that it stays while time passes. */
export function ticks({ startMs, endMs, at }: Trend): number[] {
  const inside = (endMs - startMs) * (1 - 2 * EDGE);
  const size = SIZES.find((one) => Math.floor(inside / one) + 1 <= 5) ?? SIZES.at(-1)!;
  const found: number[] = [];
  for (let t = Math.ceil(startMs / size) * size; t <= endMs; t += size) if (at(t) > EDGE && at(t) < 1 - EDGE) found.push(t);
  return found;
}

export function path(points: readonly Point[], width: number, height: number): string {
  return points.map((p, i) => `${i ? "L" : "M"}${(p.x * width).toFixed(1)} ${(p.y * height).toFixed(1)}`).join("");
}
