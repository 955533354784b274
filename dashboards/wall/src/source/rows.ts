// What stands in the rows of a list, of a state and the orders that were made of it. Pure.

import type { Boards } from "../lib/boards";
import { column, largeText, lift, rate, UNKNOWN } from "../lib/numbers";
import { staleOnes } from "../lib/stale";
import type { State } from "../lib/state";
import { clean } from "../lib/text";
import { view } from "../lib/view.svelte";
import { countryName } from "../lib/world";

export interface Row {
  id: string;
  name: string;
  /** As it is written; – where it is not known. */
  text: string;
  /** 0 to 1 of the largest one. */
  share: number;
  /** Its own source is silent. */
  stale: boolean;
  /** Above what was to be expected. */
  above: boolean;
}

const MOST = 12;

export function topicRows(state: State, board: Boards["topics"], rows = MOST): Row[] {
  const ids = board.ranking.order.filter((id) => board.values.has(id)).slice(0, rows);
  const write = column([...board.values.values()], view.language);
  const most = Math.max(1, ...board.values.values());
  return ids.map((id) => {
    const [value, expected] = [board.values.get(id) ?? 0, state.stale?.["search:spikes"] === undefined ? state.topics?.[id]?.expected : undefined];
    const above = expected !== undefined && value > expected.high;
    return { id, name: view.name(state.topics?.[id]?.name, id), text: write(value), share: value / most, stale: false, above };
  });
}

export function countryRows(state: State, boards: Boards, rows = MOST): Row[] {
  const { values, ranking } = boards.countries[boards.measure];
  const silent = staleOnes(state, "country");
  const write = boards.measure === "per_minute" ? column([...values.values()], view.language) : rate;
  const most = Math.max(1e-9, ...values.values());
  const codes = ranking.order.filter((code) => values.has(code)).slice(0, rows);
  return codes.map((code) => {
    const [value, stale] = [values.get(code) ?? 0, silent.has(code)];
    return { id: code, name: countryName(code, view.language), text: stale ? UNKNOWN : write(value), share: stale ? 0 : value / most, stale, above: false };
  });
}

export function tagRows(state: State, rows = MOST): Row[] {
  const tags = Object.entries(state.trending ?? {}).flatMap(([tag, one]) => (one !== null && typeof one === "object" ? [{ tag, ...one }] : []));
  tags.sort((a, b) => (b.factor ?? 0) - (a.factor ?? 0) || (b.count ?? 0) - (a.count ?? 0) || (a.tag < b.tag ? -1 : 1));
  const most = Math.max(1e-9, ...tags.map((one) => one.factor ?? 0));
  return tags.slice(0, rows).map(({ tag, factor, count }) => ({
    id: tag,
    name: clean(tag),
    text: factor !== undefined ? lift(factor) : count !== undefined ? largeText(count, view.language) : UNKNOWN,
    share: (factor ?? 0) / most,
    stale: false,
    above: false,
  }));
}
