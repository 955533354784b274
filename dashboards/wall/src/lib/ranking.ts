// An order that a person can follow: recomputed every ten seconds at most, and a row must lead twice before it moves.

export const REORDER_MS = 10_000;
const REMEMBER_MS = 10 * 60_000;

interface Memory {
  at: number;
  places: ReadonlyMap<string, number>;
}

export interface Ranking {
  order: readonly string[];
  /** The values when the order was last considered. */
  values: ReadonlyMap<string, number>;
  consideredAt: number;
  memory: readonly Memory[];
}

export function rank(old: Ranking | undefined, values: ReadonlyMap<string, number>, now: number): Ranking {
  if (old !== undefined && now - old.consideredAt < REORDER_MS && old.order.length > 0) return old;
  // The first two orders are of minutes that have only begun: nobody has read them yet, so they may be thrown over.
  const order = old === undefined || old.memory.length < 3 ? sorted(values) : settle(old.order, old.values, values);
  const places = new Map(order.map((id, i) => [id, i + 1]));
  const memory = [...(old?.memory ?? []), { at: now, places }].filter((m) => now - m.at <= REMEMBER_MS);
  return { order, values, consideredAt: now, memory };
}

/** Neighbours change places only when the lower one led before and leads now; new rows enter where they belong. */
export function settle(
  order: readonly string[],
  before: ReadonlyMap<string, number>,
  now: ReadonlyMap<string, number>,
): string[] {
  const leads = (a: string, b: string): boolean =>
    (now.get(a) ?? 0) > (now.get(b) ?? 0) && (before.get(a) ?? now.get(a) ?? 0) > (before.get(b) ?? now.get(b) ?? 0);
  const rows = order.filter((id) => now.has(id));
  for (const id of sorted(now).filter((id) => !order.includes(id))) {
    const at = rows.findIndex((other) => (now.get(id) ?? 0) > (now.get(other) ?? 0));
    rows.splice(at < 0 ? rows.length : at, 0, id);
  }
  for (let i = 1; i < rows.length; i += 1) {
    for (let j = i; j > 0 && leads(rows[j]!, rows[j - 1]!); j -= 1) [rows[j - 1], rows[j]] = [rows[j]!, rows[j - 1]!];
  }
  return rows;
}

function sorted(values: ReadonlyMap<string, number>): string[] {
  return [...values].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([id]) => id);
}

export interface Movement {
  /** Places gained (positive) or lost against the oldest order remembered; undefined for one that is new since then. */
  of(id: string): number | undefined;
  /** When that oldest order was; undefined while there is nothing to compare with. */
  since: number | undefined;
}

export function movement({ order, memory }: Ranking): Movement {
  const oldest = memory.length > 1 ? memory[0] : undefined;
  const places = new Map(order.map((id, i) => [id, i + 1]));
  return {
    since: oldest?.at,
    of: (id) => {
      const [then, here] = [oldest?.places.get(id), places.get(id)];
      return then === undefined || here === undefined ? undefined : then - here;
    },
  };
}
