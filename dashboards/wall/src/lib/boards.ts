// What several scenes show and what must not be forgotten when one of them goes: scales that hold for minutes, orders that move
// slowly. Made from the state and from what was made before.

import { rank, type Ranking } from "./ranking";
import type { State } from "./state";
import { measureOf, rankable, world, type Measure, type World } from "./world";

export interface Board {
  values: ReadonlyMap<string, number>;
  world: World;
  ranking: Ranking;
}

export interface Boards {
  /** The fair measure that the numbers allow. */
  measure: Measure;
  countries: Record<Measure, Board>;
  topics: { values: ReadonlyMap<string, number>; ranking: Ranking };
}

export function boards(old: Boards | undefined, state: State, now: number): Boards {
  const countries = state.countries ?? {};
  const board = (measure: Measure): Board => {
    const before = old?.countries[measure];
    const values = rankable(countries, measure);
    return {
      values,
      world: world(countries, measure, before?.world.scale, now),
      ranking: rank(before?.ranking, values, now),
    };
  };
  const topics = new Map<string, number>();
  for (const [id, topic] of Object.entries(state.topics ?? {})) {
    if (topic.engagement?.per_minute !== undefined) topics.set(id, topic.engagement.per_minute);
  }
  return {
    measure: measureOf(countries),
    countries: { per_livestream: board("per_livestream"), per_minute: board("per_minute") },
    topics: { values: topics, ranking: rank(old?.topics.ranking, topics, now) },
  };
}
