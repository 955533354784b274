// The scenes of the wall and their addresses: `#/countries?lang=zh&rotate=30`. What stands behind the # is the whole state a
// person can hand on as a link.

import type { State } from "./state";

export const SCENES = ["overview", "countries", "topics", "moves", "sessions", "livestreams"] as const;
export type Scene = (typeof SCENES)[number];

export interface Route {
  /** Undefined where the address names no scene, or one that is not known here. */
  scene: Scene | "safe" | undefined;
  /** As written, without the question mark; kept when the scene changes. */
  query: string;
}

export function readRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const name = path.replace(/^\/+|\/+$/g, "");
  const known = name === "safe" || (SCENES as readonly string[]).includes(name);
  return { scene: known ? (name as Scene | "safe") : undefined, query };
}

export function writeRoute({ scene, query }: Route): string {
  return `#/${scene ?? ""}${query ? `?${query}` : ""}`;
}

/** Those that have something to show: rotation stops only there. A person may go to any. */
export function worthShowing(state: State, empty: boolean): Scene[] {
  const has = (part: object | undefined): boolean => Object.keys(part ?? {}).length > 0;
  const moves = has(state.cross?.["country_topic"]);
  return SCENES.filter((scene) => {
    if (scene === "sessions") return has(state.sessions);
    if (scene === "topics") return has(state.topics) && !empty;
    if (scene === "moves") return moves && !empty;
    return scene !== "countries" || !empty;
  });
}
