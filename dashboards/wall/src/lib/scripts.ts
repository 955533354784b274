// Which script a message is written in, so that a scene can show several; and what language to tell the browser when nobody said.

const SCRIPTS = [
  ["latin", /\p{Script=Latin}/gu],
  ["han", /\p{Script=Han}/gu],
  ["kana", /[\p{Script=Hiragana}\p{Script=Katakana}]/gu],
  ["hangul", /\p{Script=Hangul}/gu],
  ["arabic", /\p{Script=Arabic}/gu],
  ["cyrillic", /\p{Script=Cyrillic}/gu],
  ["thai", /\p{Script=Thai}/gu],
  ["devanagari", /\p{Script=Devanagari}/gu],
  ["hebrew", /\p{Script=Hebrew}/gu],
  ["greek", /\p{Script=Greek}/gu],
  ["bengali", /\p{Script=Bengali}/gu],
  ["tamil", /\p{Script=Tamil}/gu],
  ["khmer", /\p{Script=Khmer}/gu],
  ["lao", /\p{Script=Lao}/gu],
  ["myanmar", /\p{Script=Myanmar}/gu],
  ["georgian", /\p{Script=Georgian}/gu],
  ["armenian", /\p{Script=Armenian}/gu],
  ["ethiopic", /\p{Script=Ethiopic}/gu],
] as const;

/** Of these scripts one language is so much the most usual that saying it helps the browser to break lines and choose forms. */
const USUAL: Readonly<Record<string, string>> = { kana: "ja", hangul: "ko", thai: "th", khmer: "km", lao: "lo", myanmar: "my" };

/** The script of most of its letters; hashtags count as little as anything else. Japanese is told by its kana. */
export function scriptOf(text: string): string {
  let [best, most, kana] = ["other", 0, 0];
  for (const [name, pattern] of SCRIPTS) {
    const letters = text.match(pattern)?.length ?? 0;
    if (name === "kana") kana = letters;
    // A Han character says about as much as two letters of an alphabet.
    const weight = name === "han" ? 2 * letters : letters;
    if (weight > most) [best, most] = [name, weight];
  }
  return best === "han" && kana > 0 ? "kana" : best;
}

/** A BCP 47 tag for the element that carries the text, or undefined: then the page's own language would be a lie, so it is "und". */
export function tagOf(language: string | undefined, text: string): string {
  if (language !== undefined && /^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$/.test(language)) return language;
  return USUAL[scriptOf(text)] ?? "und";
}

/** Scripts whose marks stack above and below the line. */
export function isTall(script: string): boolean {
  return ["arabic", "hebrew", "thai", "devanagari", "bengali", "tamil", "khmer", "lao", "myanmar"].includes(script);
}
