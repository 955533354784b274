// What every part of the wall may ask for: language, words, theme and the event's time zone, from one place.

import { en, type Words } from "../words/en";
import { zh } from "../words/zh";
import type { Language } from "./numbers";
import { nameIn, type Name } from "./state";
import { clean } from "./text";
import { zone, type Zone } from "./time";

export type Theme = "dark" | "light";

export interface Wishes {
  language: Language | undefined;
  theme: Theme;
}

/** Reads `?lang=zh&theme=light` and `#/?lang=zh&theme=light`; what stands after the # wins, unknown values are ignored. */
export function wishes(search: string, hash: string): Wishes {
  const behind = hash.indexOf("?");
  const both = [new URLSearchParams(behind < 0 ? "" : hash.slice(behind + 1)), new URLSearchParams(search)];
  const wish = (key: string): string | undefined => both.map((p) => p.get(key)).find((v) => v !== null) ?? undefined;
  const [language, theme] = [wish("lang"), wish("theme")];
  return {
    language: language === "en" || language === "zh" ? language : undefined,
    theme: theme === "light" ? "light" : "dark",
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
