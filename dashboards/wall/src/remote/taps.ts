// What becomes of a touch: it is answered at once ("sent"), and confirmed when the walls' own feed shows a stage that is as new.
// Pure: time is handed in.

/** A confirmation is shown for so long, then the key is as before. */
export const DONE_MS = 1500;

export type Tap =
  | { phase: "sent"; version: number | undefined }
  | { phase: "done"; at: number }
  | { phase: "failed"; why: string };

/** By key: "safe", "scene:voices" … */
export type Taps = Readonly<Record<string, Tap>>;

export function sent(taps: Taps, key: string): Taps {
  return { ...taps, [key]: { phase: "sent", version: undefined } };
}

/** The server has done it: the stage is this new now. */
export function answered(taps: Taps, key: string, version: number): Taps {
  return taps[key]?.phase === "sent" ? { ...taps, [key]: { phase: "sent", version } } : taps;
}

export function failed(taps: Taps, key: string, why: string): Taps {
  return { ...taps, [key]: { phase: "failed", why } };
}

/** A frame shows the stage in this version. Gives the same object when nothing changes. */
export function shown(taps: Taps, version: number | undefined, now: number): Taps {
  let changed = false;
  const next = Object.entries(taps).flatMap(([key, tap]): [string, Tap][] => {
    if (tap.phase === "sent" && tap.version !== undefined && version !== undefined && version >= tap.version) {
      changed = true;
      return [[key, { phase: "done", at: now }]];
    }
    if (tap.phase === "done" && now - tap.at >= DONE_MS) {
      changed = true;
      return [];
    }
    return [[key, tap]];
  });
  return changed ? Object.fromEntries(next) : taps;
}

/** The newest sentence about something that was not done. */
export function complaint(taps: Taps): string | undefined {
  return Object.values(taps).flatMap((tap) => (tap.phase === "failed" ? [tap.why] : [])).at(-1);
}

/** 18 s as 0:18, longer than an hour as 1:00:18. */
export function countdown(ms: number): string {
  const all = Math.max(0, Math.ceil(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, String(all % 60).padStart(2, "0")];
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/** When a clock that reads like `minute` next shows this time of day; undefined where it never does. */
export function nextAt(time: string, now: number, minute: (ms: number) => string): number | undefined {
  const first = Math.floor(now / 60_000) * 60_000 + 60_000;
  for (let ms = first; ms < first + 25 * 3_600_000; ms += 60_000) if (minute(ms) === time) return ms;
  return undefined;
}
