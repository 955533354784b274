// "I have seen it", on its way from a person to every wall: answered at once, confirmed when the feed shows it, else a sentence why not.

const ANSWER_MS = 4000;

export type Why = "refused" | "gone" | "unreachable";

interface Told {
  seen: boolean;
  why: Why | undefined;
}

/** What an answer of /api/spikes means; undefined: it was done. */
export function whyOf(status: number): Why | undefined {
  if (status === 200) return undefined;
  return status === 401 || status === 403 ? "refused" : status === 404 ? "gone" : "unreachable";
}

export class Marking {
  #told = $state.raw<Readonly<Record<string, Told>>>({});

  /** Says that a spike was seen, or that it was not. */
  async mark(id: string, seen: boolean): Promise<void> {
    this.#tell(id, { seen, why: undefined });
    let why: Why | undefined = "unreachable";
    try {
      const answer = await fetch("api/spikes", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ id, seen }),
        cache: "no-store",
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      why = whyOf(answer.status);
    } catch {
      // Not reached: it says so, and may be said again.
    }
    if (why !== undefined) this.#tell(id, { seen, why });
  }

  /** Where a word stands: on its way, refused for a reason, or (undefined) nothing was said that the feed does not show. */
  phase(id: string, shown: boolean): "sent" | Why | undefined {
    const told = Object.hasOwn(this.#told, id) ? this.#told[id] : undefined;
    if (told === undefined || told.seen === shown) return undefined;
    return told.why ?? "sent";
  }

  #tell(id: string, told: Told): void {
    this.#told = { ...this.#told, [id]: told };
  }
}

/** Whether this screen may say so: a moderator's, a lead's, or whoever sits at the machine while there are no tokens. */
export async function mayMark(): Promise<boolean> {
  try {
    const answer = await fetch("api/me", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    return answer.ok && ["moderator", "lead", "admin"].includes(((await answer.json()) as { role?: string }).role ?? "");
  } catch {
    return false;
  }
}
