// The languages of the wall: one file each in words/. A file that is put there is a language; nothing else has to know of it.

import type { Words } from "../words/en";

export interface Translation {
  /** What `?lang=` and the event's `languages` call it: "en", "pt-BR". */
  tag: string;
  /** For the page's `lang` attribute; chooses fonts and line breaking. */
  html: string;
  /** A right-to-left language mirrors the grid; charts keep time running left to right. */
  direction: "ltr" | "rtl";
  /** 12,480,000 as 12.48 M, or as 1248万. */
  numerals: "thousands" | "myriads";
  /** What stands behind a number, with its space. */
  units?: Partial<Units>;
  /** Names of countries and regions where tiles.csv has no column for the language; what is missing is written in English. */
  countries?: Readonly<Record<string, string>>;
  words: Words;
}

export interface Units {
  second: string;
  day: string;
  million: string;
}

const files = import.meta.glob<Translation>("../words/*.ts", { eager: true, import: "default" });

export const LANGUAGES: ReadonlyMap<string, Translation> = new Map(
  Object.values(files)
    .sort((a, b) => (a.tag < b.tag ? -1 : 1))
    .map((one) => [one.tag, one]),
);

export function translation(tag: string): Translation {
  return LANGUAGES.get(tag) ?? LANGUAGES.get("en")!;
}

/** The language that a tag such as "zh-Hans-CN" asks for, if there is one. */
export function known(tag: string, languages: ReadonlyMap<string, unknown> = LANGUAGES): string | undefined {
  const wanted = tag.toLowerCase();
  const tags = [...languages.keys()];
  return (
    tags.find((one) => one.toLowerCase() === wanted) ??
    tags.find((one) => wanted.startsWith(`${one.toLowerCase()}-`)) ??
    tags.find((one) => one.toLowerCase().startsWith(`${wanted.split("-")[0]}-`) || one.toLowerCase() === wanted.split("-")[0])
  );
}
