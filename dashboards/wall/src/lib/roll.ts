// A number on its way from what was shown to what is true: 400 ms, slowing down, never past its aim, one integer a frame.

export const ROLL_MS = 400;
/** Thirty frames a second are plenty for a number, and half the work of sixty. */
export const FRAME_MS = 1000 / 30;

export function rolled(from: number, to: number, elapsedMs: number): number {
  const t = Math.min(1, Math.max(0, elapsedMs / ROLL_MS));
  return t === 1 ? to : Math.round(from + (to - from) * (1 - (1 - t) ** 3));
}

/** How much of its track a bar fills, in whole hundredths: a bar that trembles by less says nothing and costs a repaint. */
export function share(value: number, most: number): number {
  return most > 0 ? Math.min(100, Math.max(0, Math.round((100 * value) / most))) : 0;
}
