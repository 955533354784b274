// Which panels there are, what the address asks for, and when a panel may not be believed any more. Pure: time is handed in.

import { SILENCE_MS } from "../lib/feed";
import { silentSince, staleSince } from "../lib/stale";
import type { State } from "../lib/state";
import { instant } from "../lib/time";

export const PANELS = ["watching", "engagement", "trend", "topics", "countries", "hashtags", "voices", "spikes", "session"] as const;
export type Panel = (typeof PANELS)[number];

/** A source has no bar that says how old its numbers are: older ones than this are not shown. */
export const OLD_MS = 10_000;

export interface Asked {
  /** Undefined: there is no such panel. */
  panel: Panel | undefined;
  /** As it was written, for the sentence that says so. */
  name: string;
  scale: number;
  /** At most so many rows; undefined: as many as there is room for. */
  rows: number | undefined;
  /** So long one message stands. */
  turnMs: number;
  /** What everybody may see, unless the address says otherwise. */
  stage: boolean;
}

export function asked(search: string): Asked {
  const wish = new URLSearchParams(search);
  const name = wish.get("panel") ?? "";
  const [scale, rows, seconds] = ["scale", "rows", "seconds"].map((key) => Number(wish.get(key) ?? NaN));
  return {
    panel: PANELS.find((one) => one === name),
    name,
    scale: scale! >= 0.5 && scale! <= 4 ? scale! : 1,
    rows: Number.isInteger(rows) && rows! >= 1 && rows! <= 50 ? rows : undefined,
    turnMs: 1000 * (seconds! >= 5 && seconds! <= 3600 ? seconds! : 20),
    stage: wish.get("profile") !== "room",
  };
}

export type Trust =
  | { kind: "believed" }
  /** Nothing was received yet, and it is too early to say why. */
  | { kind: "opening" }
  /** Since when the numbers are old; undefined: there never were any. */
  | { kind: "stale"; since: number | undefined };

export interface Signs {
  state: State;
  /** Milliseconds since the last frame; Infinity before the first one. */
  silence: number;
  /** Milliseconds since the page was opened. */
  age: number;
  now: number;
  asOf: number | undefined;
}

const SEARCHES: Partial<Record<Panel, string[]>> = {
  hashtags: ["search:trending", "search:tags"],
  voices: ["search:voices", "search:highlights"],
  spikes: ["search:spikes"],
};

/** Whether what this panel shows is of now. The programme is known ahead, so counting may be late for it. */
export function trust(panel: Panel, { state, silence, age, now, asOf }: Signs): Trust {
  if (silence > SILENCE_MS) {
    if (silence === Infinity) return age > SILENCE_MS ? { kind: "stale", since: undefined } : { kind: "opening" };
    return { kind: "stale", since: now - silence };
  }
  if (panel === "session") return { kind: "believed" };
  const frozen = instant(state.wall?.frozen_at) !== undefined && state.wall?.profile === "stage";
  if (!frozen && asOf !== undefined && now - asOf > OLD_MS) return { kind: "stale", since: asOf };
  const since = staleSince(state, ...(SEARCHES[panel] ?? [])) ?? silentSince(state);
  return since === undefined ? { kind: "believed" } : { kind: "stale", since };
}
