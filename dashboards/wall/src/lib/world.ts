// Countries and regions: which tile each has, how much it shows, and in what order they are ranked.

import csv from "../tiles.csv?raw";
import { translation } from "./languages";
import type { Language } from "./numbers";
import { keepOrRenew, median, step, type Scale } from "./scale";
import type { Measures } from "./state";
import { clean } from "./text";

export const COLUMNS = 28;
export const ROWS = 17;
/** ISO 3166-1 has 249 codes; those without a tile are small or unpopulated. */
const ISO_CODES = 249;
/** A country with fewer active livestreams has no rate worth comparing. */
export const ENOUGH = 3;

export interface Tile {
  code: string;
  row: number;
  column: number;
  names: Readonly<Record<string, string>> & { en: string };
}

export const TILES: readonly Tile[] = readTiles(csv);
const TILE_OF = new Map(TILES.map((tile) => [tile.code, tile]));
export const NOT_DRAWN = ISO_CODES - TILES.length;

export function readTiles(text: string): Tile[] {
  const lines = text.trim().split(/\r?\n/).slice(1);
  return lines.map((line) => {
    const [code, row, column, en, zh] = cells(line);
    if (!code || !row || !column || !en || !zh) throw new Error(`tiles.csv: five cells are expected in "${line}"`);
    return { code, row: Number(row), column: Number(column), names: { en, zh } };
  });
}

function cells(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map((m) => m[1]?.replaceAll('""', '"') ?? m[2] ?? "");
}

export function countryName(code: string, language: Language): string {
  const names = TILE_OF.get(code)?.names;
  return translation(language).countries?.[code] ?? names?.[language] ?? names?.en ?? clean(code);
}

export type Measure = "per_livestream" | "per_minute";

/**
 * Engagement per active livestream, so that a big delegation does not win by size. Where fewer than three countries
 * have three active livestreams there is nothing to compare: then it is engagement per minute.
 */
export function measureOf(countries: Record<string, Measures>): Measure {
  const known = Object.entries(countries).filter(([code, m]) => code !== "ZZ" && (m.livestreams ?? 0) >= ENOUGH);
  return known.length >= 3 ? "per_livestream" : "per_minute";
}

/** What is ranked; countries that cannot be compared are absent. */
export function rankable(countries: Record<string, Measures>, measure: Measure): Map<string, number> {
  const values = new Map<string, number>();
  for (const [code, m] of Object.entries(countries)) {
    const value = code === "ZZ" ? undefined : comparable(m, measure);
    if (value !== undefined) values.set(code, value);
  }
  return values;
}

function comparable({ livestreams = 0, engagement }: Measures, measure: Measure): number | undefined {
  const perMinute = engagement?.per_minute;
  if (perMinute === undefined) return undefined;
  if (measure === "per_minute") return perMinute > 0 ? perMinute : undefined;
  return livestreams >= ENOUGH ? perMinute / livestreams : undefined;
}

export type TileState = { kind: "none" } | { kind: "expected" } | { kind: "active"; step: number; value: number };

export interface World {
  tiles: Map<string, TileState>;
  scale: Scale;
  /** Shares of engagement per minute; undefined when nothing is known. */
  unknownShare: number | undefined;
  notDrawnShare: number | undefined;
  unknownStep: number;
}

export function world(countries: Record<string, Measures>, measure: Measure, old: Scale | undefined, now: number): World {
  const values = rankable(countries, measure);
  const zzValue = comparable(countries["ZZ"] ?? {}, measure);
  const middle = median([...values.values()].filter((v) => v > 0)) || 1;
  const relative = new Map([...values].map(([code, value]) => [code, value / middle]));
  const scale = keepOrRenew(old, [...relative.values()], now);
  const tiles = new Map<string, TileState>();
  let [all, unknown, notDrawn] = [0, 0, 0];
  for (const [code, m] of Object.entries(countries)) {
    const perMinute = m.engagement?.per_minute ?? 0;
    all += perMinute;
    if (code === "ZZ") unknown += perMinute;
    else if (!TILE_OF.has(code)) notDrawn += perMinute;
    const value = relative.get(code);
    const active = (m.livestreams ?? 0) > 0 || perMinute > 0;
    if (!active) tiles.set(code, { kind: "expected" });
    else tiles.set(code, { kind: "active", step: value === undefined ? 1 : step(value, scale.limits), value: value ?? 0 });
  }
  return {
    tiles,
    scale,
    unknownShare: all > 0 ? unknown / all : undefined,
    notDrawnShare: all > 0 ? notDrawn / all : undefined,
    unknownStep: zzValue !== undefined && values.size > 0 ? step(zzValue / middle, scale.limits) : 1,
  };
}
