// What a person said, on its way to the monitor: kept on the phone, sent one word at a time, and said again until it is taken.

import { answered, restored, saved, toSend, type Deck, type Word } from "./deck";

const RETRY_MS = 1000;
const ANSWER_MS = 4000;

export class Telling {
  deck = $state.raw<Deck>(restored(null));
  /** Whether the last word was not taken. */
  trouble = $state(false);
  #busy = false;
  #stopped = false;

  /** `kept`: its name in the storage of the tab; `body`: what is posted; `statusOf`: what an answer means to a deck. */
  constructor(
    readonly kept: string,
    readonly path: string,
    readonly body: (id: string, word: Word) => object,
    readonly statusOf: (status: number) => number = (status) => status,
  ) {
    this.deck = restored(sessionStorage.getItem(kept));
  }

  /** Every change is kept, shown and sent on. */
  keep(next: Deck): void {
    if (next === this.deck) return;
    this.deck = next;
    sessionStorage.setItem(this.kept, saved(next));
    void this.send();
  }

  async send(): Promise<void> {
    const next = toSend(this.deck);
    if (this.#busy || this.#stopped || next === undefined) return;
    this.#busy = true;
    let status = 0;
    try {
      const answer = await fetch(this.path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(this.body(next.id, next.word)),
        cache: "no-store",
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      status = answer.status;
    } catch {
      // Not reached: it is said again.
    }
    this.#busy = false;
    if (status === 401) return location.reload();
    const before = this.deck;
    this.keep(answered(this.deck, this.statusOf(status)));
    this.trouble = this.deck === before;
    if (this.trouble) setTimeout(() => void this.send(), RETRY_MS);
  }

  stop(): void {
    this.#stopped = true;
  }
}
