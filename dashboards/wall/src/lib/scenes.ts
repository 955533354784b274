// The scenes of the wall and their addresses: `#/countries?lang=zh&rotate=30`. What stands behind the # is the whole state a
// person can hand on as a link.

import { spikes } from "./spikes";
import type { State } from "./state";
import { quotable } from "./voices";

export const SCENES = ["overview", "countries", "topics", "moves", "sessions", "voices", "livestreams", "spikes"] as const;
export type Scene = (typeof SCENES)[number];

export interface Route {
  /** Undefined where the address names no scene, or one that is not known here. */
  scene: Scene | "safe" | undefined;
  /** As written, without the question mark; kept when the scene changes. */
  query: string;
  /** `#/spikes/ID`: what of the scene. */
  of?: string | undefined;
}

export function readRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const [name = "", of] = path.replace(/^\/+|\/+$/g, "").split(/\/(.*)/s);
  const known = (name === "safe" && of === undefined) || (SCENES as readonly string[]).includes(name);
  if (of !== undefined) return { scene: name === "spikes" ? "spikes" : undefined, query, of: decoded(of) };
  return { scene: known ? (name as Scene | "safe") : undefined, query };
}

export function writeRoute({ scene, query, of }: Route): string {
  return `#/${scene ?? ""}${of === undefined ? "" : `/${encodeURIComponent(of)}`}${query ? `?${query}` : ""}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export type Filter = Partial<Record<"state" | "platform" | "country", string>>;
const FILTERS = ["state", "platform", "country"] as const;

/** `#/livestreams?platform=youtube&state=broken`: which cells a link is about; undefined where it is about all. */
export function filterOf(query: string): Filter | undefined {
  const told = new URLSearchParams(query);
  const found = FILTERS.flatMap((key) => (told.get(key) ? [[key, told.get(key)!] as const] : []));
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

/** A filter is the scene's, not the wall's: it does not go along to the next scene. */
export function withoutFilter(query: string): string {
  const told = new URLSearchParams(query);
  if (!FILTERS.some((key) => told.has(key))) return query;
  for (const key of FILTERS) told.delete(key);
  return told.toString();
}

/** Those that have something to show: rotation stops only there. A person may go to any. */
export function worthShowing(state: State, empty: boolean): Scene[] {
  const has = (part: object | undefined): boolean => Object.keys(part ?? {}).length > 0;
  const moves = has(state.cross?.["country_topic"]);
  return SCENES.filter((scene) => {
    if (scene === "sessions") return has(state.sessions);
    if (scene === "topics") return has(state.topics) && !empty;
    if (scene === "moves") return moves && !empty;
    if (scene === "voices") return quotable(state.highlights).length > 0 && !empty;
    if (scene === "spikes") return spikes(state.spikes).open.length > 0 && !empty;
    return scene !== "countries" || !empty;
  });
}
