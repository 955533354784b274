// The attention list as people read it: the feed says what and how much, this language says it. Order and choice are the feed's.

import type { Words } from "../words/en";
import { largeText, percent, times, whole, wholeSeconds, type Language } from "./numbers";
import { platformName } from "./platforms";
import { title, type Names } from "./spikes";
import type { Line, Spike, State } from "./state";
import { clean } from "./text";
import { instant, type Zone } from "./time";
import type { Told } from "../words/en";

export const LEVELS = ["red", "amber", "blue"] as const;
export type Level = (typeof LEVELS)[number];

export interface Shown {
  id: string;
  level: Level;
  text: string;
  owner: string;
  sinceMs: number | undefined;
  /** A scene of this wall, or a page of this server; nothing else is a link. */
  link: string | undefined;
}

export interface Around {
  words: Words;
  language: Language;
  zone: Zone;
  names: Names;
}

/** In the feed's order, at most five. */
export function attention(told: State["attention"], around: Around): { lines: Shown[]; more: number } {
  const lines = ["1", "2", "3", "4", "5"].flatMap((place): Shown[] => {
    const line = told?.[place];
    return line !== null && typeof line === "object" ? [written(line, around)] : [];
  });
  const more = told?.["more"];
  return { lines, more: typeof more === "number" && more > 0 ? more : 0 };
}

function written(line: Line, around: Around): Shown {
  const { words } = around;
  const say = Object.hasOwn(words.attention.kinds, line.kind) ? words.attention.kinds[line.kind] : undefined;
  return {
    id: String(line.id),
    level: LEVELS.find((level) => level === line.level) ?? "blue",
    text: clean(say === undefined ? (line.text ?? line.kind) : say(values(line, around))),
    owner: line.owner === undefined ? "" : Object.hasOwn(words.attention.owners, line.owner) ? words.attention.owners[line.owner]! : clean(line.owner),
    sinceMs: instant(line.since),
    link: isOurs(line.link) ? line.link : undefined,
  };
}

function values(line: Line, { words, language, zone, names }: Around): Told {
  const given = line.values ?? {};
  const told: Told = { n: 0 };
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "number") {
      told[name] =
        name === "quota" || name === "share"
          ? percent(value)
          : name === "factor"
            ? times(value)
            : name === "seconds"
              ? wholeSeconds(value, language)
              : name === "severity"
                ? whole(value)
                : largeText(value, language);
      if (name === "count") told.n = value;
    } else if (typeof value === "string") {
      const searches = words.attention.searches;
      told[name] =
        name === "platform"
          ? platformName(value)
          : name === "country"
            ? names.country(value)
            : name === "what"
              ? Object.hasOwn(searches, value) ? searches[value]! : value
              : value;
    }
  }
  if (line.kind === "spike") told["name"] = title(given as unknown as Spike, names);
  const since = instant(line.since);
  told["time"] = since === undefined ? "" : zone.minute(since);
  return told;
}

function isOurs(link: string | undefined): link is string {
  return link !== undefined && (link.startsWith("#/") || /^\/(?!\/)[^\\]*$/.test(link));
}

/** How long ago, as short as it can be said: 40 s, 3 min, 2 h. */
export function ago(ms: number, words: Words, language: Language): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 100) return wholeSeconds(seconds, language);
  return seconds < 100 * 60 ? words.attention.minutes(whole(Math.floor(seconds / 60))) : words.attention.hours(whole(Math.floor(seconds / 3600)));
}
