// What every part of the wall may ask for: language, words, theme and the event's time zone, from one place.

import type { Words } from "../words/en";
import { known, translation, type Translation } from "./languages";
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
  /** What a stage may show, and nothing else. */
  stage: boolean;
  /** Does as the producer says; a stage does unless told otherwise. */
  follow: boolean;
  /** Of all type; undefined: as the configuration says. */
  scale: number | undefined;
}

/** Larger type in the same picture; rows go, letters never shrink. */
export const SCALES = [1, 1.15, 1.3] as const;

function scaleOf(text: string | undefined): number | undefined {
  const wanted = Number(text);
  return SCALES.find((scale) => scale === wanted);
}

/** Shorter than this nobody can read a scene; longer is no rotation. */
const [SHORTEST_S, LONGEST_S] = [5, 3600];

/** Reads `?lang=zh&theme=light` and `#/countries?lang=zh&theme=light`; what stands after the # wins, unknown values are ignored. */
export function wishes(search: string, hash: string): Wishes {
  const both = [new URLSearchParams(readRoute(hash).query), new URLSearchParams(search)];
  const wish = (key: string): string | undefined => both.map((p) => p.get(key)).find((v) => v !== null) ?? undefined;
  const [language, theme, rotate] = [wish("lang"), wish("theme"), Number(wish("rotate") ?? 0)];
  return {
    language: language === undefined ? undefined : known(language),
    theme: theme === "light" ? "light" : "dark",
    rotateMs: rotate > 0 ? 1000 * Math.min(LONGEST_S, Math.max(SHORTEST_S, rotate)) : 0,
    kiosk: wish("kiosk") === "1",
    stage: wish("profile") === "stage",
    follow: wish("follow") === undefined ? wish("profile") === "stage" : wish("follow") !== "0",
    scale: scaleOf(wish("scale")),
  };
}

/**
 * What the address asks for, else what this browser's person reads if the event offers it, else the event's first language.
 * An event that offers no language of ours gets English.
 */
export function languageFor(wish: Language | undefined, reads: readonly string[], offered: readonly string[] = []): Language {
  const ours = (tags: readonly string[]): Language[] => tags.flatMap((tag) => known(tag) ?? []);
  const offers = ours(offered);
  return wish ?? ours(reads).find((l) => offers.length === 0 || offers.includes(l)) ?? offers[0] ?? "en";
}

class View {
  language = $state<Language>("en");
  timezone = $state<string | undefined>(undefined);
  /** Of all type; scenes show fewer rows where it is larger. */
  scale = $state(1);

  translation: Translation = $derived(translation(this.language));
  words: Words = $derived(this.translation.words);
  zone: Zone = $derived(zone(this.timezone));

  /** So many of the rows that fit at scale 1. */
  rows(most: number): number {
    return Math.floor(most / this.scale + 1e-9);
  }

  name(name: Name | undefined, otherwise = ""): string {
    return clean(nameIn(name, this.language, otherwise));
  }
}

export const view = new View();
