// Keeps one websocket to the feed: notices within two seconds that frames stopped, and then tries again every second,
// for as long as it takes. What to show is decided elsewhere; here only pictures and their time of arrival are kept.

import { nextPicture, type Picture } from "./state";

/** Longer than this without a frame and the connection counts as lost. The feed ticks four times a second. */
export const SILENCE_MS = 2000;
const RETRY_MS = 1000;
/** Code with which the server closes what a revoked token has open. */
const REVOKED = 4401;
/** A handshake may take this long; a server that was stopped answers the attempt that is open when it returns. */
const ATTEMPT_MS = 2500;

export interface Socket {
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event?: { code?: number }) => void) | null;
  onerror: (() => void) | null;
  close(): void;
}

export interface Surroundings {
  open(url: string): Socket;
  now(): number;
  /** The server has closed for lack of a token. */
  refused?(): void;
}

export class Feed {
  picture: Picture | undefined;
  /** Monotonic time of the last frame that could be used; undefined before the first one. */
  lastFrameAt: number | undefined;

  #socket: Socket | undefined;
  #startedAt = -Infinity;
  #framesHere = 0;
  readonly #url: string;
  readonly #around: Surroundings;
  readonly #changed: () => void;

  constructor(url: string, around: Surroundings, changed: () => void) {
    this.#url = url;
    this.#around = around;
    this.#changed = changed;
  }

  /** Call this a few times a second; it opens, gives up and re-opens. */
  tend(): void {
    const now = this.#around.now();
    if (this.#socket !== undefined && now - this.#deadline() > 0) this.#drop();
    if (this.#socket === undefined && now - this.#startedAt >= RETRY_MS) this.#open(now);
  }

  /** Milliseconds since the last usable frame. */
  silence(): number {
    return this.lastFrameAt === undefined ? Infinity : this.#around.now() - this.lastFrameAt;
  }

  #deadline(): number {
    return this.#framesHere > 0 ? (this.lastFrameAt ?? 0) + SILENCE_MS : this.#startedAt + ATTEMPT_MS;
  }

  #open(now: number): void {
    this.#startedAt = now;
    this.#framesHere = 0;
    const socket = this.#around.open(this.#url);
    this.#socket = socket;
    socket.onmessage = (event) => this.#take(socket, event.data);
    socket.onclose = (event) => {
      this.#ended(socket);
      if (event?.code === REVOKED) this.#around.refused?.();
    };
    socket.onerror = () => this.#ended(socket);
  }

  #take(socket: Socket, data: unknown): void {
    if (socket !== this.#socket) return;
    // A new socket begins with a snapshot: a delta on it must not continue the picture of the old one.
    const base = this.#framesHere > 0 ? this.picture : undefined;
    const next = typeof data === "string" ? nextPicture(base, data) : "lost";
    if (next === "lost") {
      this.#drop();
      return;
    }
    this.picture = next;
    this.#framesHere += 1;
    this.lastFrameAt = this.#around.now();
    this.#changed();
  }

  #ended(socket: Socket): void {
    if (socket === this.#socket) this.#socket = undefined;
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
  }
}

/** Where the feed is: beside the page, on the same origin. A stage is sent only what a stage may show. */
export function feedUrl(page: string, stage = false): string {
  const url = new URL("feed", page);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = stage ? "profile=stage" : "";
  url.hash = "";
  return url.href;
}
