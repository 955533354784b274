// Whether the picture may be believed: live, behind, lost, or nothing received yet.

import { SILENCE_MS } from "./feed";

/** A feed whose as-of time is older than this is behind, even though frames arrive. */
export const BEHIND_MS = 5000;

export type Truth =
  | { kind: "connecting" }
  | { kind: "lost"; seconds: number }
  | { kind: "behind"; seconds: number }
  | { kind: "waiting" }
  | { kind: "frozen" }
  | { kind: "live" };

export interface Signs {
  /** Milliseconds since the last frame; Infinity before the first one. */
  silence: number;
  /** Milliseconds since the page was opened. */
  age: number;
  now: number;
  asOf: number | undefined;
  empty: boolean;
  /** The producer lets the numbers stand. */
  frozen?: boolean;
}

export function judge({ silence, age, now, asOf, empty, frozen = false }: Signs): Truth {
  if (silence === Infinity) return age > SILENCE_MS ? { kind: "lost", seconds: whole(age) } : { kind: "connecting" };
  if (silence > SILENCE_MS) return { kind: "lost", seconds: whole(silence) };
  if (empty) return { kind: "waiting" };
  if (frozen) return { kind: "frozen" };
  if (asOf !== undefined && now - asOf > BEHIND_MS) return { kind: "behind", seconds: whole(now - asOf) };
  return { kind: "live" };
}

function whole(ms: number): number {
  return Math.floor(ms / 1000);
}
