// Livestreams at a glance: one cell each, grouped by country, problems in their place. What `/api/livestreams` says is read here,
// grouped, and laid out; drawing is elsewhere.

import { clean } from "./text";

/** As drawn. The states of the feed that nobody must act on are one: not live. */
export const KINDS = ["live", "quiet", "throttled", "refused", "broken", "paused", "ended"] as const;
export type Kind = (typeof KINDS)[number];

const KIND_OF: Readonly<Record<string, Kind>> = {
  live: "live",
  quiet: "quiet",
  throttled: "throttled",
  refused: "refused",
  unreachable: "refused",
  broken: "broken",
  paused: "paused",
};

export interface Cell {
  id: string;
  country: string;
  kind: Kind;
  /** The feed's own word, which may say more. */
  state: string;
  platform: string;
  handle: string;
  reason: string;
  since: number | undefined;
  lastEvent: number | undefined;
  viewers: number | undefined;
  perMinute: number | undefined;
  /** https only. */
  url: string | undefined;
}

/** What the API answered; what is not as documented is left out, and a livestream without a known state is not live. */
export function readLivestreams(answer: unknown): Cell[] {
  const all = record(record(answer)["livestreams"]);
  return Object.entries(all).map(([id, one]) => {
    const told = record(one);
    const state = text(told["state"]);
    const url = text(told["url"]);
    return {
      id,
      country: /^[A-Z]{2}$/.test(text(told["country"])) ? text(told["country"]) : "ZZ",
      kind: Object.hasOwn(KIND_OF, state) ? KIND_OF[state]! : "ended",
      state,
      platform: clean(text(told["platform"])),
      handle: clean(text(told["handle"])),
      reason: clean(text(told["reason"])),
      since: moment(told["since"]),
      lastEvent: moment(told["last_event"]),
      viewers: number(told["viewers"]),
      perMinute: number(record(told["engagement"])["per_minute"]),
      url: isHttps(url) ? url : undefined,
    };
  });
}

export interface Group {
  country: string;
  cells: Cell[];
  /** A quarter of it is broken. */
  failing: boolean;
}

/** Largest first; what has no country stands last, and each keeps its place within its country. */
export function grouped(cells: readonly Cell[]): Group[] {
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const group = groups.get(cell.country);
    if (group === undefined) groups.set(cell.country, [cell]);
    else group.push(cell);
  }
  return [...groups]
    .map(([country, cells]) => ({
      country,
      cells: cells.sort((a, b) => (a.id < b.id ? -1 : 1)),
      failing: cells.filter(({ kind }) => kind === "broken").length * 4 >= cells.length,
    }))
    .sort(
      (a, b) =>
        Number(a.country === "ZZ") - Number(b.country === "ZZ") ||
        b.cells.length - a.cells.length ||
        (a.country < b.country ? -1 : 1),
    );
}

export interface Count {
  kind: Kind;
  count: number;
  /** Where most of them are. */
  most: { country: string; count: number } | undefined;
}

export function counted(cells: readonly Cell[]): Count[] {
  return KINDS.map((kind) => {
    const found = cells.filter((cell) => cell.kind === kind);
    const groups = grouped(found);
    const first = groups.toSorted((a, b) => b.cells.length - a.cells.length)[0];
    return { kind, count: found.length, most: first && { country: first.country, count: first.cells.length } };
  });
}

/** Four steps of brightness by activity, against the median of those that say anything. */
export function brightness(cells: readonly Cell[]): (cell: Cell) => number {
  const rates = cells.flatMap(({ perMinute }) => (perMinute !== undefined && perMinute > 0 ? [perMinute] : [])).sort((a, b) => a - b);
  const middle = rates[rates.length >> 1] ?? 1;
  return ({ perMinute = 0 }) => (perMinute >= 3 * middle ? 5 : perMinute >= middle ? 4 : perMinute > 0 ? 3 : 2);
}

export interface Placed {
  cell: Cell;
  x: number;
  y: number;
}

export interface Sheet {
  pitch: number;
  size: number;
  cells: Placed[];
  labels: { country: string; x: number; y: number; failing: boolean }[];
  height: number;
  /** Cells for which there was no room even at the smallest pitch. */
  left: number;
}

const LABEL = 46;
const GAP = 22;
/** A label is 20 px high; smaller cells leave it as many rows as it needs. */
const LABEL_ROWS = 22;
/** Countries with so few share a row in two halves. */
const HALF = 3;
const PITCHES: readonly [pitch: number, inRow: number][] = [
  [36, 10],
  [30, 10],
  [26, 10],
  [23, 10],
  [19, 10],
  [16, 10],
  [12, 14],
  [9, 20],
  [7, 26],
];

/** The largest cells that fit into the box. Column after column; a group that goes on in the next one repeats its label. */
export function layOut(groups: readonly Group[], width: number, height: number): Sheet {
  let sheet: Sheet | undefined;
  for (const [pitch, inRow] of PITCHES) {
    if (LABEL + inRow * pitch > width && pitch > 23) continue;
    sheet = tryPitch(groups, width, height, pitch, inRow);
    if (sheet.left === 0) break;
  }
  return sheet!;
}

function tryPitch(groups: readonly Group[], width: number, height: number, pitch: number, inRow: number): Sheet {
  const wide = LABEL + inRow * pitch;
  const columns = Math.max(1, Math.floor((width + GAP) / (wide + GAP)));
  const stride = columns > 1 ? (width - wide) / (columns - 1) : 0;
  const rows = Math.max(1, Math.floor(height / pitch));
  const labelRows = Math.ceil(LABEL_ROWS / pitch);
  const sheet: Sheet = { pitch, size: pitch - Math.max(2, Math.round(pitch * 0.17)), cells: [], labels: [], height: 0, left: 0 };
  let [column, row] = [0, 0];
  const place = (group: Group, cells: readonly Cell[], offset: number, at: number, most: number): void => {
    const x = column * stride + offset;
    sheet.labels.push({ country: group.country, x, y: at * pitch, failing: group.failing });
    cells.forEach((cell, i) => {
      const [down, along] = [Math.floor(i / most), i % most];
      sheet.cells.push({ cell, x: x + LABEL + along * pitch, y: (at + down) * pitch });
    });
    sheet.height = Math.max(sheet.height, (at + Math.ceil(cells.length / most)) * pitch);
  };
  const turn = (): void => void ([column, row] = [column + 1, 0]);
  const large = groups.filter(({ cells }) => cells.length > HALF);
  const small = groups.filter(({ cells }) => cells.length <= HALF);
  for (const group of large) {
    let rest: readonly Cell[] = group.cells;
    while (rest.length > 0) {
      if (rows - row < labelRows) turn();
      if (column >= columns) break;
      const here = rest.slice(0, (rows - row) * inRow);
      place(group, here, 0, row, inRow);
      row += Math.max(labelRows, Math.ceil(here.length / inRow));
      rest = rest.slice(here.length);
    }
    sheet.left += rest.length;
  }
  const half = wide / 2 + GAP / 4;
  for (let i = 0; i < small.length; i += 2) {
    if (rows - row < labelRows) turn();
    const pair = small.slice(i, i + 2);
    if (column >= columns) sheet.left += pair.reduce((sum, { cells }) => sum + cells.length, 0);
    else pair.forEach((group, k) => place(group, group.cells, k * half, row, inRow));
    row += labelRows;
  }
  return sheet;
}

export type Way = "up" | "down" | "left" | "right";

/** The nearest cell in that direction, straight ahead before aside; the same one at the edge, the first one to begin with. */
export function moved(cells: readonly Placed[], from: string | undefined, way: Way): string | undefined {
  const here = cells.find(({ cell }) => cell.id === from);
  if (here === undefined) return cells[0]?.cell.id;
  let [best, least] = [here.cell.id, Infinity];
  for (const { cell, x, y } of cells) {
    const [dx, dy] = [x - here.x, y - here.y];
    const ahead = way === "up" ? -dy : way === "down" ? dy : way === "left" ? -dx : dx;
    const aside = Math.abs(way === "up" || way === "down" ? dx : dy);
    if (ahead <= 0.5) continue;
    const cost = ahead + 3 * aside;
    if (cost < least) [best, least] = [cell.id, cost];
  }
  return best;
}

/** The cell under a point, or nearest to it within a pitch. */
export function under(sheet: Sheet, x: number, y: number): string | undefined {
  return sheet.cells.find((c) => x >= c.x && x < c.x + sheet.pitch && y >= c.y && y < c.y + sheet.pitch)?.cell.id;
}

function record(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** ISO text, or Unix seconds. */
function moment(value: unknown): number | undefined {
  const ms = typeof value === "number" ? value * 1000 : Date.parse(text(value));
  return Number.isNaN(ms) ? undefined : ms;
}

function isHttps(url: string): boolean {
  return URL.canParse(url) && new URL(url).protocol === "https:";
}
