// How numbers are written: English with commas and M, Chinese in 万 and 亿, rounding half-even on the exact integer.

import { translation, type Units } from "./languages";

/** A tag of lib/languages. */
export type Language = string;

const UNITS: Units = { second: "\u202fs", day: "\u202fd ", million: "\u202fM" };

function unit(language: Language, name: keyof Units): string {
  return translation(language).units?.[name] ?? UNITS[name];
}

/** A number and its unit apart, because the unit is drawn at 60 % of the number's size. */
export interface Shown {
  text: string;
  unit: string;
}

export const UNKNOWN = "–";
const THIN = "\u202f";

/** 1234567 → 1,234,567; exact, with a real minus. */
export function whole(value: number): string {
  const n = toInteger(value);
  return (n < 0 ? "−" : "") + String(Math.abs(n)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Heroes, headings and totals. */
export function large(value: number, language: Language): Shown {
  const n = toInteger(value);
  if (translation(language).numerals === "myriads") return chinese(n);
  return n < 1_000_000 ? { text: whole(n), unit: "" } : { text: scaled(n, 6, 2), unit: unit(language, "million") };
}

export function largeText(value: number, language: Language): string {
  const { text, unit } = large(value, language);
  return text + unit;
}

/** A range says its unit once: 2.69–3.57万, 0.71–2.84 M. */
export function range(low: number, high: number, language: Language): [string, string] {
  const end = large(high, language);
  const exponent = { 万: 4, 亿: 8 }[end.unit] ?? (end.unit === "" ? 0 : 6);
  const decimals = /\.(\d+)$/.exec(end.text)?.[1]?.length ?? 0;
  const n = toInteger(low);
  const start = exponent === 0 || n === 0 ? whole(n) : scaled(n, exponent, decimals);
  return start === end.text ? [start + end.unit, start + end.unit] : [start, end.text + end.unit];
}

/** A writer for all numbers of one column: one unit, so that rows compare. */
export function column(values: readonly number[], language: Language): (value: number) => string {
  const most = Math.max(0, ...values.map(toInteger));
  if (translation(language).numerals === "thousands") {
    return most < 1_000_000 ? whole : (v) => scaled(toInteger(v), 6, 2) + unit(language, "million");
  }
  if (most < 100_000) return whole;
  const [power, myriad] = most < 100_000_000 ? [4, "万"] : [8, "亿"];
  const decimals = power === 8 || most < 1_000_000 ? 2 : most < 10_000_000 ? 1 : 0;
  // As in `large`: 1240万, without a comma.
  return (v) => scaled(toInteger(v), power, decimals).replace(",", "") + myriad;
}

/** A rate that may be small: one decimal below ten. */
export function rate(value: number): string {
  return value >= 9.95 || value === 0 ? whole(value) : value < 0.05 ? "<0.1" : value.toFixed(1);
}

export function percent(ratio: number): string {
  const p = ratio * 100;
  if (p > 0 && p < 0.05) return `<0.1${THIN}%`;
  return `${p >= 9.95 || p === 0 ? whole(p) : p.toFixed(1)}${THIN}%`;
}

/** A share in a row of shares: one decimal always, the sign apart. */
export function tenths(ratio: number): string {
  return (100 * ratio).toFixed(1);
}

/** A change with its sign, a real minus: 0.18 → +18 %. */
export function change(ratio: number): string {
  const p = halfEven(Math.abs(ratio) * 100);
  return `${p === 0 ? "±" : ratio < 0 ? "−" : "+"}${whole(p)}${THIN}%`;
}

/** As `times`, in a table: 2 → 2.0×, so that all have the same digits. */
export function lift(factor: number): string {
  return factor >= 9.95 ? times(factor) : `${factor.toFixed(1)}×`;
}

/** 3.14 → 3.1×; from ten on without decimals. */
export function times(factor: number): string {
  return `${factor >= 9.95 ? whole(factor) : Number(factor.toFixed(1))}×`;
}

export function seconds(ms: number, language: Language): string {
  const s = ms / 1000;
  const text = s >= 9.95 ? whole(s) : s.toFixed(1);
  return text + unit(language, "second");
}

export function wholeSeconds(count: number, language: Language): string {
  return whole(count) + unit(language, "second");
}

/** What is left of something, to the second: 41:12, 2:14:36, 3 d 4:12. */
export function duration(ms: number, language: Language): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const [d, h, m, s] = [Math.floor(total / 86400), Math.floor(total / 3600) % 24, Math.floor(total / 60) % 60, total % 60];
  const two = (n: number): string => String(n).padStart(2, "0");
  if (d > 0) return `${d}${unit(language, "day")}${h}:${two(m)}`;
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function toInteger(value: number): number {
  // 9,999.6 must not become 1万: what is not yet ten thousand is written below it.
  const rounded = halfEven(value);
  return value < 10_000 && rounded >= 10_000 ? 9_999 : rounded;
}

function halfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

/** value / 10^power with so many decimals, half-even, in whole numbers only: no binary fraction can tip it. */
function scaled(value: number, power: number, decimals: number): string {
  const divisor = 10 ** (power - decimals);
  let quotient = Math.floor(value / divisor);
  const rest = value - quotient * divisor;
  if (rest * 2 > divisor || (rest * 2 === divisor && quotient % 2 !== 0)) quotient += 1;
  const digits = String(quotient).padStart(decimals + 1, "0");
  const head = whole(Number(digits.slice(0, digits.length - decimals)));
  return decimals === 0 ? head : `${head}.${digits.slice(-decimals)}`;
}

function chinese(n: number): Shown {
  if (n < 10_000) return { text: whole(n), unit: "" };
  // Four significant digits at most; rounding that reaches the next size takes that size's form (999,950 → 100.0万).
  if (n < 999_950) return { text: scaled(n, 4, 2), unit: "万" };
  if (n < 9_999_500) return { text: scaled(n, 4, 1), unit: "万" };
  if (n < 99_995_000) return { text: scaled(n, 4, 0).replace(",", ""), unit: "万" };
  const decimals = n < 9_999_500_000 ? 2 : n < 99_995_000_000 ? 1 : 0;
  return { text: scaled(n, 8, decimals), unit: "亿" };
}
