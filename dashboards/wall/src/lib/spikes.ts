// What is unexpected, in the order in which it must be looked at, and how it is called.

import type { Spike, State } from "./state";
import { instant } from "./time";
import { trend, type Trend } from "./trend";

export interface Card extends Spike {
  id: string;
  sinceMs: number | undefined;
  closedMs: number | undefined;
}

export interface Spikes {
  /** Open and confirming ones, the strongest first. */
  open: Card[];
  /** The newest first. */
  closed: Card[];
}

export function spikes(told: State["spikes"]): Spikes {
  const all = Object.entries(told ?? {}).flatMap(([id, one]): Card[] =>
    one !== null && typeof one === "object" && typeof one.value === "string" && typeof one.severity === "number"
      ? [{ ...one, id, sinceMs: instant(one.since), closedMs: instant(one.closed_at) }]
      : [],
  );
  const open = all.filter(({ state }) => state === "open" || state === "confirming");
  const closed = all.filter(({ state }) => state === "closed");
  const strength = (a: Card, b: Card): number =>
    Number(a.state === "confirming") - Number(b.state === "confirming") || // what is not sure leads nothing that is
    b.severity - a.severity ||
    (a.sinceMs ?? 0) - (b.sinceMs ?? 0) ||
    (a.id < b.id ? -1 : 1);
  return {
    open: open.sort(strength),
    closed: closed.sort((a, b) => (b.closedMs ?? 0) - (a.closedMs ?? 0) || (a.id < b.id ? -1 : 1)),
  };
}

/** How many series are watched, where the feed says so. */
export function watched(state: State): number | undefined {
  return state.health?.series_watched;
}

export interface Names {
  country(code: string): string;
  topic(id: string): string;
  session(id: string): string;
  platform(name: string): string;
  everywhere: string;
  /** Between two names: ", " or "，". */
  comma: string;
}

/** "Brazil, robots": what spiked, and what else is known to be of it. */
export function title({ dimension, value, where }: Pick<Spike, "dimension" | "value" | "where">, names: Names): string {
  const [first, second] = value.split("+", 2);
  const one = (dimension: string, value: string): string =>
    dimension === "country"
      ? names.country(value)
      : dimension === "topic"
        ? names.topic(value)
        : dimension === "session"
          ? names.session(value)
          : dimension === "platform"
            ? names.platform(value)
            : dimension === "total"
              ? names.everywhere
              : value;
  if (dimension.includes("+")) {
    const [a = "", b = ""] = dimension.split("+", 2);
    return [one(a, first ?? ""), one(b, second ?? "")].join(names.comma);
  }
  const more = dimension === "country" ? where?.topic : dimension === "topic" ? where?.country : undefined;
  const named = more === undefined ? "" : dimension === "country" ? names.topic(more) : names.country(more);
  return [one(dimension, value), named].filter(Boolean).join(names.comma);
}

/** Its curve against what was expected; undefined where none is told. */
export function curve(spike: Spike): Trend | undefined {
  const told = spike.curve;
  if (told === undefined || !Array.isArray(told.actual)) return undefined;
  const { slot_seconds, start, actual, low = [], high = [] } = told;
  return trend({ slot_seconds, start, engagement: actual, expected: { low, high } }, undefined, true);
}

/** Code of a country whose own spike is open → why, in as few words as there are: "Robots, 6.1×". */
export function reasons(told: State["spikes"], names: Names, times: (factor: number) => string): Map<string, string> {
  return new Map(
    spikes(told)
      .open.filter(({ dimension, state }) => dimension === "country" && state === "open")
      .reverse() // of several the strongest is the last word
      .map(({ value, where, factor }) => [value, [where?.topic === undefined ? "" : names.topic(where.topic), times(factor)].filter(Boolean).join(names.comma)]),
  );
}

/** Codes of countries that are above what is expected now: their tiles have a ring. */
export function ringed(told: State["spikes"]): Set<string> {
  return new Set(
    spikes(told).open.flatMap(({ dimension, value, where, state }) =>
      state !== "open" ? [] : dimension === "country" ? [value] : dimension.startsWith("country+") ? [value.split("+")[0]!] : where?.country && dimension !== "topic" ? [where.country] : [],
    ),
  );
}
