// Which numbers have outlived their source. The server judges (docs/feed.md, `stale`); here it is only looked up.

import type { State } from "./state";
import { instant } from "./time";

/** Since when the source has been silent, in milliseconds; undefined while it speaks. */
export function staleSince(state: State, ...sources: string[]): number | undefined {
  const told = state.stale ?? {};
  const times = sources.flatMap((source) => (Object.hasOwn(told, source) ? [instant(told[source])] : []));
  return times.find((ms) => ms !== undefined);
}

/** Since when the last of all platforms in the totals has been silent: from then on no number is of now. */
export function silentSince(state: State): number | undefined {
  const names = Object.entries(state.platforms ?? {}).flatMap(([name, one]) => (one.in_totals === false ? [] : [name]));
  const times = names.map((name) => staleSince(state, `platform:${name}`));
  return times.length === 0 || times.includes(undefined) ? undefined : Math.max(...(times as number[]));
}

/** The values of one kind of source: `country` → the codes that are stale. */
export function staleOnes(state: State, kind: string): ReadonlySet<string> {
  const prefix = `${kind}:`;
  return new Set(Object.keys(state.stale ?? {}).flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : [])));
}
