// Country × topic: how much larger a topic's share is in a country than everywhere, so that neither big countries nor
// big topics win.

/** A cell with fewer messages in the hour says nothing. */
export const ENOUGH_MESSAGES = 50;

export type Cell = { kind: "few" } | { kind: "below" } | { kind: "lift"; lift: number; step: number };

type Pairs = Record<string, Record<string, { hour?: number }>>;

export interface Heat {
  /** Topics by volume in the last hour, largest first. */
  topics: string[];
  cell(country: string, topic: string): Cell;
}

export function heat(pairs: Pairs): Heat {
  const byTopic = new Map<string, number>();
  const byCountry = new Map<string, number>();
  let all = 0;
  for (const [country, topics] of Object.entries(pairs)) {
    for (const [topic, { hour = 0 }] of Object.entries(topics)) {
      byTopic.set(topic, (byTopic.get(topic) ?? 0) + hour);
      byCountry.set(country, (byCountry.get(country) ?? 0) + hour);
      all += hour;
    }
  }
  const topics = [...byTopic].filter(([, n]) => n > 0).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return {
    topics: topics.map(([id]) => id),
    cell: (country, topic) => {
      const here = pairs[country]?.[topic]?.hour ?? 0;
      if (here < ENOUGH_MESSAGES) return { kind: "few" };
      const lift = here / (byCountry.get(country) ?? 1) / ((byTopic.get(topic) ?? 1) / all);
      return lift < 1 ? { kind: "below" } : { kind: "lift", lift, step: stepOf(lift) };
    },
  };
}

/** From 1.0 ramp 2, 1.3 → 3, 1.6 → 4, 2.0 → 5, 2.5 → 6, 3.0 → 7. */
export function stepOf(lift: number): number {
  return 1 + [1, 1.3, 1.6, 2, 2.5, 3].filter((limit) => lift >= limit).length;
}
