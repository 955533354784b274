// A list that has not changed stays the very same list, so that rows which keep their order are not measured and moved with every frame.

/** The list before where it has the same entries in the same order, else the new one. */
export function same<T>(before: readonly T[], now: readonly T[]): readonly T[] {
  return before.length === now.length && before.every((one, i) => Object.is(one, now[i])) ? before : now;
}
