// How today stands against yesterday. The feed tells a multiple (1.12), people read the difference (+12 %).

import type { Measures } from "./state";

/** 0.12 = 12 % more than until the same time yesterday; undefined where the feed does not say. */
export function againstYesterday(measures: Measures | undefined): number | undefined {
  const multiple = measures?.change_vs_yesterday;
  return multiple === undefined || !Number.isFinite(multiple) || multiple < 0 ? undefined : multiple - 1;
}
