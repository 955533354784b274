// Topics and brands against themselves: what part of the talk about the group's own brands each brand has, and how a topic's
// minute compares with its own hour. Nothing here is about the market.

import type { State } from "./state";

/** As many as there are colours that everybody can tell apart. */
export const MOST_BRANDS = 8;
/** A mean of fewer minutes is no hour to compare with; a rarer topic has no rate worth comparing. */
const [ENOUGH_MINUTES, ENOUGH_ACTIONS] = [10, 50];

export interface Brand {
  id: string;
  /** 0 to 1, of all brands together. */
  share: number;
  count: number;
  /** Percentage points against the whole event; undefined while the window is most of the event. */
  change: number | undefined;
}

export interface Voice {
  brands: Brand[];
  /** How many brands there are; more than are shown, perhaps. */
  of: number;
  /** Minutes that the shares are of; undefined: the event so far. */
  minutes: number | undefined;
}

/** Undefined where no topic is a brand. Shares are undefined as a whole until a brand was named: then `brands` is empty. */
export function voice(topics: State["topics"], history: State["history"]): Voice | undefined {
  const ids = Object.entries(topics ?? {}).flatMap(([id, topic]) => (topic.group === "brand" ? [id] : []));
  if (ids.length === 0) return undefined;
  const event = new Map(ids.map((id) => [id, topics?.[id]?.engagement?.total ?? 0]));
  const hour = new Map(ids.map((id) => [id, known(history?.topics?.[id]).reduce((sum, n) => sum + n, 0)]));
  const minutes = Math.max(0, ...ids.map((id) => known(history?.topics?.[id]).length));
  const [allEvent, allHour] = [total(event), total(hour)];
  const byHour = minutes > 1 && allHour > 0;
  const [counts, all] = byHour ? [hour, allHour] : [event, allEvent];
  if (all <= 0) return { brands: [], of: ids.length, minutes: undefined };
  const comparable = byHour && allEvent > 1.5 * allHour;
  const brands = ids.slice(0, MOST_BRANDS).map((id) => {
    const count = counts.get(id) ?? 0;
    const before = (event.get(id) ?? 0) / Math.max(1, allEvent);
    return { id, count, share: count / all, change: comparable ? 100 * (count / all - before) : undefined };
  });
  return { brands, of: ids.length, minutes: byHour ? minutes : undefined };
}

/** This minute against the mean of the hour's known minutes: 0.18 = 18 % more. Undefined where that would say nothing. */
export function againstHour(perMinute: number | undefined, minutes: readonly number[] | undefined): number | undefined {
  const counted = known(minutes);
  const sum = counted.reduce((all, n) => all + n, 0);
  if (perMinute === undefined || counted.length < ENOUGH_MINUTES || sum < ENOUGH_ACTIONS) return undefined;
  return perMinute / (sum / counted.length) - 1;
}

function known(minutes: readonly number[] | undefined): number[] {
  return (minutes ?? []).filter((n) => n >= 0);
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, n) => sum + n, 0);
}
