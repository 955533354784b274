// Country × topic: how much larger a topic's share is in a country than everywhere, so that neither big countries nor
// big topics win.

/** A cell with fewer messages in the hour says nothing. */
export const ENOUGH_MESSAGES = 50;

export type Cell = { kind: "few" } | { kind: "below" } | { kind: "lift"; lift: number; step: number };

type Pairs = Record<string, Record<string, { hour?: number }>>;

export interface Heat {
  /** Topics by volume in the last hour, largest first. */
  topics: string[];
  /** Countries by volume in the last hour, largest first; ZZ is no place and no row. */
  countries: string[];
  /** Engagement of the pair in the last hour. */
  hour(country: string, topic: string): number;
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
  const hour = (country: string, topic: string): number => pairs[country]?.[topic]?.hour ?? 0;
  return {
    topics: byVolume(byTopic),
    countries: byVolume(byCountry).filter((code) => code !== "ZZ"),
    hour,
    cell: (country, topic) => {
      const here = hour(country, topic);
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

function byVolume(sums: ReadonlyMap<string, number>): string[] {
  return [...sums]
    .filter(([, n]) => n > 0)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([id]) => id);
}

export interface Strong {
  country: string;
  topic: string;
  lift: number;
  hour: number;
}

/** The strongest lifts, one for each country: a country that is far from the world is so in several topics at once. */
export function strongest(table: Heat, countries: readonly string[], topics: readonly string[], most: number): Strong[] {
  const best = countries.flatMap((country) => {
    const cells = topics.flatMap((topic): Strong[] => {
      const cell = table.cell(country, topic);
      return cell.kind === "lift" ? [{ country, topic, lift: cell.lift, hour: table.hour(country, topic) }] : [];
    });
    return cells.sort((a, b) => b.lift - a.lift).slice(0, 1);
  });
  return best.sort((a, b) => b.lift - a.lift || (a.country < b.country ? -1 : 1)).slice(0, most);
}
