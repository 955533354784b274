// What is on the wall and what a key, a turn of the rotation or the address does to it. The safe scene covers everything;
// it comes at one key and leaves only by two acts of a person.

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
}

export type Act =
  | { kind: "to"; scene: Scene }
  | { kind: "turn"; by: 1 | -1 }
  | { kind: "pause" | "measure" | "safe" | "leave" | "confirm" | "tick" | "stay" }
  | { kind: "address"; route: Route };

export function begin(route: Route, rotateMs: number, now: number): Show {
  const scene = route.scene === undefined || route.scene === "safe" ? "overview" : route.scene;
  const safe = route.scene === "safe" ? "on" : "off";
  return { scene, safe, askedAt: 0, rotateMs, paused: false, turnedAt: now, raw: false };
}

/** `stops` are the scenes at which the rotation stops. Gives the same object when nothing changes. */
export function act(show: Show, what: Act, now: number, stops: readonly Scene[] = SCENES): Show {
  if (what.kind === "safe") return show.safe === "off" ? { ...show, safe: "on" } : ask(show, now);
  if (show.safe !== "off") return whileSafe(show, what, now);
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
