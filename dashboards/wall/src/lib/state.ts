// The feed's state as the wall reads it (docs/feed.md). Absent always means unknown, never nought: every field that
// the server may leave out is optional here, so that the type checker asks each reader what it does about it.

export interface Rate {
  total: number;
  /** Absent until a whole slot is over, and while nothing is known about now. */
  per_minute?: number;
}

export const KINDS = ["posts", "comments", "reactions", "shares", "follows", "gifts", "joins", "engagement"] as const;
export type Kind = (typeof KINDS)[number];

export type Measures = Partial<Record<Kind, Rate>> & {
  gift_value?: Record<string, number>;
  viewers?: { now?: number; peak?: number; hours?: number };
  authors?: { event?: number; day?: number; session?: number };
  livestreams?: number;
  guessed?: number;
  /** What a minute would usually have now; absent while that is being learned. */
  expected?: Expected;
  /** When `expected` will be known. */
  learning_until?: string;
  /** 1.12 = 12 % more than until the same time yesterday; read by `againstYesterday`. */
  change_vs_yesterday?: number;
};

export interface Expected {
  low: number;
  mid?: number;
  high: number;
}

/** A message that may be quoted; `waiting` is for the back room only. */
export interface Highlight {
  text: string;
  language?: string;
  country?: string;
  livestream?: string;
  platform?: string;
  name?: string;
  topics?: string[];
  at?: string;
  score?: number;
  state?: string;
  pinned?: boolean;
}

export interface Spike {
  dimension: string;
  value: string;
  session?: string;
  state: string;
  since: string;
  closed_at?: string;
  severity: number;
  factor: number;
  actual?: number;
  expected?: Expected;
  authors?: number;
  top_share?: number;
  curve?: { slot_seconds: number; start: string; actual: number[]; low: number[]; high: number[] };
  where?: { platform?: string; country?: string; topic?: string; livestreams?: string[] };
  why?: { word: string; share: number }[];
  owner?: string;
  seen?: { by?: string; at?: string };
}

export interface Trending {
  count?: number;
  per_minute?: number;
  authors?: number;
  factor?: number;
  countries?: string[];
  since?: string;
}

export interface Line {
  id: string;
  level: string;
  kind: string;
  values?: Record<string, unknown>;
  text?: string;
  owner?: string;
  since?: string;
  link?: string;
}

/** Language → name; `*` is the name for every other language. A plain string is a name in all languages. */
export type Name = string | Readonly<Record<string, string>>;

export interface Session {
  name: Name;
  start: string;
  end: string;
}

/** Engagement in each slot since its own start, −1 = unknown. */
export interface Curve {
  slot_seconds: number;
  engagement: number[];
}

export interface State {
  event?: {
    name?: Name;
    timezone?: string;
    day_start?: string;
    languages?: string[];
    day?: string;
    day_number?: number;
    days?: number;
    simulated?: boolean;
    /** A book of its own that will be thrown away. */
    rehearsal?: boolean;
    started?: boolean;
    /** Of all type; absent when 1. */
    scale?: number;
    /** Under which number the map at /map.json was approved. */
    map_review?: string;
  };
  session?: { now?: Record<string, Session>; next?: Session & { id?: string } };
  totals?: Measures;
  countries?: Record<string, Measures>;
  topics?: Record<string, Measures & { name?: Name; group?: string }>;
  platforms?: Record<string, Measures & { in_totals?: boolean }>;
  sessions?: Record<
    string,
    Measures & Session & { top_topic?: string; top_country?: string; topics_since?: string; curve?: Curve; yesterday?: string }
  >;
  livestreams?: Partial<Record<"live" | "quiet" | "waiting" | "announced" | "connecting" | "throttled" | "refused" | "unreachable" | "broken" | "paused" | "ended" | "total", number>>;
  cross?: Record<string, Record<string, Record<string, { total?: number; hour?: number; per_minute?: number }>>>;
  history?: {
    slot_seconds: number;
    start: string;
    engagement: number[];
    topics?: Record<string, number[]>;
    /** Of each minute, −1 = still being learned. */
    expected?: { low: number[]; high: number[] };
  };
  highlights?: Record<string, Highlight>;
  spikes?: Record<string, Spike>;
  trending?: Record<string, Trending>;
  /** "1" to "5", and `more`; absent on a stage. */
  attention?: Record<string, Line | number>;
  /** `platform:twitch`, `country:BR`, `discovery:youtube`, `search:spikes` → since when nothing was heard from it. */
  stale?: Record<string, string>;
  wall?: {
    version?: number;
    profile?: "room" | "stage";
    scene?: string;
    rotation?: { on: boolean; seconds: number; scenes?: string[]; then?: string; follows?: string; session?: string; next_at?: string };
    pinned?: { message?: string; country?: string };
    frozen_at?: string;
    /** Topic → hidden on stage until. */
    embargo?: Record<string, string>;
    safe?: { on: boolean; since?: string; by?: string; why?: string };
    dead_man?: { seconds: number; last_seen?: string; at?: string };
    rehearsal?: boolean;
    build?: string;
  };
  health?: {
    as_of?: string;
    event_to_wall_ms?: { p50?: number; p95?: number; p99?: number };
    coverage?: { collected?: number; known_live?: number; reachable?: number; consented?: number; discovery_age_seconds?: number; pending?: number };
    late?: number;
    duplicates?: number;
    clamped?: number;
    removed?: number;
    lag_seconds?: number;
    gaps?: number;
    /** Countries, topics, sessions and the total, in which what is unexpected is looked for. */
    series_watched?: number;
  };
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** RFC 7396. Gives a new value and shares what did not change; neither argument is altered. */
export function applyPatch(target: Json | undefined, patch: Json): Json {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const base = target !== null && typeof target === "object" && !Array.isArray(target) ? target : {};
  // A map without a prototype: an id named __proto__ is then an id like any other.
  const result: { [key: string]: Json } = Object.assign(Object.create(null), base);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = applyPatch(result[key], value);
  }
  return result;
}

/** What the wall knows after a frame: the state and which frame of which feed it is. */
export interface Picture {
  epoch: string;
  seq: number;
  /** Absent until every partition was counted once. */
  asOf: string | undefined;
  state: State;
}

/** The next picture, or "lost" when a frame is missing or unreadable: then only a new snapshot helps. */
export function nextPicture(picture: Picture | undefined, text: string): Picture | "lost" {
  let frame: Record<string, unknown>;
  try {
    frame = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return "lost";
  }
  if (frame === null || typeof frame !== "object") return "lost";
  const { type, seq, as_of: asOf } = frame;
  if (typeof seq !== "number" || (asOf !== undefined && typeof asOf !== "string")) return "lost";
  if (type === "snapshot") {
    if (frame["version"] !== 1 || frame["state"] === null || typeof frame["state"] !== "object") return "lost";
    return { epoch: String(frame["epoch"] ?? ""), seq, asOf, state: applyPatch({}, frame["state"] as Json) as State };
  }
  if (type !== "delta" || picture === undefined || seq !== picture.seq + 1) return "lost";
  const patch = frame["patch"];
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return "lost";
  return { ...picture, seq, asOf, state: applyPatch(picture.state as Json, patch as Json) as State };
}

/** Nothing was ever counted and no livestream is being collected: the wall waits instead of showing noughts. */
export function isEmpty(state: State): boolean {
  const { live = 0, quiet = 0 } = state.livestreams ?? {};
  return live + quiet === 0 && !KINDS.some((kind) => (state.totals?.[kind]?.total ?? 0) > 0);
}

/** A person's words for a name: the wall's language, else any language, else English, else what there is. */
export function nameIn(name: Name | undefined, language: string, otherwise = ""): string {
  if (name === undefined) return otherwise;
  if (typeof name === "string") return name;
  return name[language] ?? name["*"] ?? name["en"] ?? Object.values(name)[0] ?? otherwise;
}
