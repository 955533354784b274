// What is on the wall and what a key, a turn of the rotation, the address or the producer does to it. The safe scene covers
// everything; it comes at one key and leaves only by two acts of a person, and one that the producer has put up leaves only
// when the producer says so. A wall that follows shows the producer's scene once it was told one.

import { SCENES, type Route, type Scene } from "./scenes";

/** A question whether to leave the safe scene that nobody answers withdraws itself. */
export const ASKING_MS = 8000;

export interface Show {
  scene: Scene;
  safe: "off" | "on" | "asking";
  askedAt: number;
  /** 0: no rotation. */
  rotateMs: number;
  paused: boolean;
  /** When the scene was last chosen, by whomever. */
  turnedAt: number;
  /** Countries: engagement per minute instead of per livestream. */
  raw: boolean;
  /** Whether this wall does as the producer says. */
  follows: boolean;
  /** Whether the producer was heard; before that a following wall is led like any other. */
  told: boolean;
  /** The producer has put up the safe scene. */
  ordered: boolean;
}

/** Whether the safe scene covers everything, whoever put it up. */
export function isSafe(show: Show): boolean {
  return show.safe !== "off" || show.ordered;
}

export type Act =
  | { kind: "to"; scene: Scene }
  | { kind: "turn"; by: 1 | -1 }
  | { kind: "pause" | "measure" | "safe" | "leave" | "confirm" | "tick" | "stay" }
  | { kind: "address"; route: Route }
  | { kind: "told"; scene: Scene | undefined; safe: boolean };

/** `ordered`: before it was loaded again, the producer's safe scene was on this wall; it stays until the producer is heard. */
export function begin(route: Route, rotateMs: number, now: number, follows = false, ordered = false): Show {
  const scene = route.scene === undefined || route.scene === "safe" ? "overview" : route.scene;
  const safe = route.scene === "safe" ? "on" : "off";
  return { scene, safe, askedAt: 0, rotateMs, paused: false, turnedAt: now, raw: false, follows, told: false, ordered: follows && ordered };
}

/** `stops` are the scenes at which the rotation stops. Gives the same object when nothing changes. */
export function act(show: Show, what: Act, now: number, stops: readonly Scene[] = SCENES): Show {
  if (what.kind === "told") return obey(show, what.scene, what.safe, now);
  if (what.kind === "safe") return show.safe === "off" ? { ...show, safe: "on" } : ask(show, now);
  if (show.safe !== "off") return whileSafe(show, what, now);
  if (show.ordered || (show.follows && show.told && what.kind !== "measure")) {
    return what.kind === "address" && what.route.scene === "safe" ? { ...show, safe: "on" } : show;
  }
  switch (what.kind) {
    case "to":
      return { ...show, scene: what.scene, turnedAt: now };
    case "turn":
      return { ...show, scene: neighbour(show.scene, what.by, SCENES), turnedAt: now };
    case "pause":
      return show.rotateMs > 0 ? { ...show, paused: !show.paused, turnedAt: now } : show;
    case "measure":
      return show.scene === "countries" ? { ...show, raw: !show.raw } : show;
    case "stay": // somebody is at work on this scene
      return show.rotateMs > 0 ? { ...show, turnedAt: now } : show;
    case "address":
      if (what.route.scene === "safe") return { ...show, safe: "on" };
      return { ...show, scene: what.route.scene ?? "overview", turnedAt: now };
    case "tick":
      if (show.rotateMs === 0 || show.paused || now - show.turnedAt < show.rotateMs) return show;
      return { ...show, scene: neighbour(show.scene, 1, stops), turnedAt: now };
    default:
      return show;
  }
}

function whileSafe(show: Show, what: Act, now: number): Show {
  if (what.kind === "leave") return ask(show, now);
  if (what.kind === "confirm" && show.safe === "asking") return { ...show, safe: "off", turnedAt: now };
  if (what.kind === "tick" && show.safe === "asking" && now - show.askedAt >= ASKING_MS) return { ...show, safe: "on" };
  return show;
}

function obey(show: Show, scene: Scene | undefined, safe: boolean, now: number): Show {
  if (!show.follows || (show.told && show.ordered === safe && (scene ?? show.scene) === show.scene)) return show;
  return { ...show, told: true, ordered: safe, scene: scene ?? show.scene, turnedAt: now };
}

function ask(show: Show, now: number): Show {
  return { ...show, safe: "asking", askedAt: now };
}

/** The next scene on the way among `stops`; the scene itself need not be one of them. */
function neighbour(scene: Scene, by: 1 | -1, stops: readonly Scene[]): Scene {
  const from = SCENES.indexOf(scene);
  for (let i = 1; i <= SCENES.length; i += 1) {
    const next = SCENES[(from + by * i + SCENES.length * i) % SCENES.length]!;
    if (stops.includes(next)) return next;
  }
  return scene;
}

/** What a key means; PageUp and PageDown are the two keys of a presenter's remote. */
export function actOf(key: string): Act | undefined {
  const place = /^[1-9]$/.test(key) ? SCENES[Number(key) - 1] : undefined;
  if (place !== undefined) return { kind: "to", scene: place };
  switch (key) {
    case "ArrowRight":
    case "PageDown":
      return { kind: "turn", by: 1 };
    case "ArrowLeft":
    case "PageUp":
      return { kind: "turn", by: -1 };
    case " ":
      return { kind: "pause" };
    case "s":
    case "S":
      return { kind: "safe" };
    case "m":
    case "M":
      return { kind: "measure" };
    case "Escape":
      return { kind: "leave" };
    case "Enter":
      return { kind: "confirm" };
    default:
      return undefined;
  }
}

/** Where the address should point for this show; its query stays. */
export function routeOf(show: Show, query: string): Route {
  return { scene: show.safe === "off" ? show.scene : "safe", query };
}
