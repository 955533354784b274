// The seven steps of the ramp: quantiles rounded to numbers a person would choose, kept for five minutes at least,
// so that a tile changes because the world changed and not because the scale did.

export const STEPS = 7;
const KEEP_MS = 5 * 60_000;

export interface Scale {
  /** Six rising limits; a value equal to a limit belongs to the step above it. */
  limits: readonly number[];
  madeAt: number;
  madeOf: number;
}

/** The scale to use now: the old one while it is young, unless it was made of less than half of today's values. */
export function keepOrRenew(scale: Scale | undefined, values: readonly number[], now: number): Scale {
  const young = scale !== undefined && now - scale.madeAt < KEEP_MS && values.length < 2 * scale.madeOf;
  return young ? scale : { limits: limitsOf(values), madeAt: now, madeOf: Math.max(1, values.length) };
}

export function limitsOf(values: readonly number[]): number[] {
  const sorted = values.filter((v) => v > 0).sort((a, b) => a - b);
  if (sorted.length === 0) return [0.3, 0.5, 0.8, 1.2, 2, 3];
  const limits: number[] = [];
  for (let i = 1; i < STEPS; i += 1) {
    const limit = human(sorted[Math.floor((i * sorted.length) / STEPS)] ?? 0);
    const last = limits.at(-1) ?? 0;
    limits.push(limit > last ? limit : nextHuman(last));
  }
  return limits;
}

/** 1 (least) to 7. */
export function step(value: number, limits: readonly number[]): number {
  return 1 + limits.filter((limit) => value >= limit).length;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

const ROUND = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

function human(value: number): number {
  const size = 10 ** Math.floor(Math.log10(value));
  const nearest = ROUND.reduce((best, r) => (Math.abs(r * size - value) < Math.abs(best * size - value) ? r : best), 1);
  return tidy(nearest * size);
}

function nextHuman(value: number): number {
  const size = 10 ** Math.floor(Math.log10(value) + 1e-9);
  return tidy((ROUND.find((r) => r * size > value * 1.001) ?? 10) * size);
}

function tidy(value: number): number {
  return Number(value.toPrecision(3));
}
