// A time as people read it: alone it is today's, on any other day of the event it has that day before it.

import { dayAndTime, dayNumber, firstStart } from "./programme";
import type { State } from "./state";
import { view } from "./view.svelte";

/** "20:45", or "Day 5 19:00"; without sessions there are no days to number. */
export function whenOf(state: State, now: number): (ms: number) => string {
  const firstMs = firstStart(state.sessions);
  const day = (ms: number): number => dayNumber(ms, firstMs, state.event?.day_start, view.zone);
  return firstMs === Infinity ? view.zone.minute : (ms) => dayAndTime(ms, now, day, view.zone.minute, view.words.sessions.day);
}
