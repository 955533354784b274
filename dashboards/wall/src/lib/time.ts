// Times as the event's time zone has them, and how far this machine's clock is off.

export interface Zone {
  clock(ms: number): string;
  minute(ms: number): string;
  offset(ms: number): string;
  /** 2026-11-20 */
  date(ms: number): string;
}

/** Formatters for one time zone; an unknown zone is treated as UTC, and says UTC. */
export function zone(name: string | undefined): Zone {
  const timeZone = isZone(name) ? name : "UTC";
  const options = { timeZone, hourCycle: "h23", hour: "2-digit", minute: "2-digit" } as const;
  const minute = new Intl.DateTimeFormat("en-GB", options);
  const clock = new Intl.DateTimeFormat("en-GB", { ...options, second: "2-digit" });
  const offset = new Intl.DateTimeFormat("en-GB", { timeZone, timeZoneName: "shortOffset" });
  const date = new Intl.DateTimeFormat("sv-SE", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  return {
    date: (ms) => date.format(ms),
    clock: (ms) => clock.format(ms),
    minute: (ms) => minute.format(ms),
    offset: (ms) => {
      const part = offset.formatToParts(ms).find((p) => p.type === "timeZoneName")?.value ?? "UTC";
      return part === "GMT+0" ? "UTC" : part.replace("GMT", "UTC");
    },
  };
}

function isZone(name: string | undefined): name is string {
  if (name === undefined) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** An ISO time as milliseconds; undefined for what is not one. */
export function instant(iso: string | undefined): number | undefined {
  const ms = iso === undefined ? NaN : Date.parse(iso);
  return Number.isNaN(ms) ? undefined : ms;
}

/**
 * What to add to this machine's clock to get the server's. The Date header has whole seconds, so a difference under
 * 1.5 s is noise and ignored; a wall PC that is minutes off would otherwise call a live feed late.
 */
export function clockOffset(dateHeader: string | null, sentAt: number, receivedAt: number): number {
  const server = instant(dateHeader ?? undefined);
  if (server === undefined) return 0;
  const offset = server + 500 - (sentAt + receivedAt) / 2;
  return Math.abs(offset) < 1500 + (receivedAt - sentAt) / 2 ? 0 : offset;
}
