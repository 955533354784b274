// What every part of the wall may ask for: language, words, theme and the event's time zone, from one place.

import { en, type Words } from "../words/en";
import { zh } from "../words/zh";
import type { Language } from "./numbers";
import { readRoute } from "./scenes";
import { nameIn, type Name } from "./state";
import { clean } from "./text";
import { zone, type Zone } from "./time";

export type Theme = "dark" | "light";

export interface Wishes {
  language: Language | undefined;
  theme: Theme;
  /** Seconds that a scene stays, in milliseconds; 0: no rotation. */
  rotateMs: number;
  /** No cursor and no navigation. */
  kiosk: boolean;
}

/** Shorter than this nobody can read a scene; longer is no rotation. */
const [SHORTEST_S, LONGEST_S] = [5, 3600];

/** Reads `?lang=zh&theme=light` and `#/countries?lang=zh&theme=light`; what stands after the # wins, unknown values are ignored. */
export function wishes(search: string, hash: string): Wishes {
  const both = [new URLSearchParams(readRoute(hash).query), new URLSearchParams(search)];
  const wish = (key: string): string | undefined => both.map((p) => p.get(key)).find((v) => v !== null) ?? undefined;
  const [language, theme, rotate] = [wish("lang"), wish("theme"), Number(wish("rotate") ?? 0)];
  return {
    language: language === "en" || language === "zh" ? language : undefined,
    theme: theme === "light" ? "light" : "dark",
    rotateMs: rotate > 0 ? 1000 * Math.min(LONGEST_S, Math.max(SHORTEST_S, rotate)) : 0,
    kiosk: wish("kiosk") === "1",
  };
}

/**
 * What the address asks for, else what this browser's person reads if the event offers it, else the event's first language.
 * An event that offers neither English nor Chinese gets English.
 */
export function languageFor(wish: Language | undefined, reads: readonly string[], offered: readonly string[] = []): Language {
  const known = (tags: readonly string[]): Language[] => {
    return tags.map((tag) => tag.slice(0, 2).toLowerCase()).filter((tag): tag is Language => tag === "en" || tag === "zh");
  };
  const offers = known(offered);
  return wish ?? known(reads).find((l) => offers.length === 0 || offers.includes(l)) ?? offers[0] ?? "en";
}

class View {
  language = $state<Language>("en");
  timezone = $state<string | undefined>(undefined);

  words: Words = $derived(this.language === "zh" ? zh : en);
  zone: Zone = $derived(zone(this.timezone));

  name(name: Name | undefined, otherwise = ""): string {
    return clean(nameIn(name, this.language, otherwise));
  }
}

export const view = new View();
