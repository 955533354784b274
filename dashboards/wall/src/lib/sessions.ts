// Which session is on, how far it is, and what comes next.

import type { Session, State } from "./state";
import { instant } from "./time";

export interface Running {
  id: string;
  session: Session;
  leftMs: number;
  /** 0 to 1. */
  progress: number;
}

export interface Next {
  session: Session;
  startMs: number;
}

export function running(session: State["session"], now: number): Running[] {
  return Object.entries(session?.now ?? {})
    .flatMap(([id, s]) => {
      const [start, end] = [instant(s.start), instant(s.end)];
      if (start === undefined || end === undefined || end <= start) return [];
      const progress = Math.min(1, Math.max(0, (now - start) / (end - start)));
      return [{ id, session: s, leftMs: Math.max(0, end - now), progress }];
    })
    .sort((a, b) => (a.session.start < b.session.start ? -1 : 1));
}

export function next(session: State["session"]): Next | undefined {
  const startMs = instant(session?.next?.start);
  return session?.next === undefined || startMs === undefined ? undefined : { session: session.next, startMs };
}

/** What is on and what comes next by the plan alone: true while the feed is away, too. */
export function plan(sessions: State["sessions"], now: number): { on: { id: string; session: Session; endMs: number }[]; next: Next | undefined } {
  const known = Object.entries(sessions ?? {}).flatMap(([id, session]) => {
    const [startMs, endMs] = [instant(session.start), instant(session.end)];
    return startMs === undefined || endMs === undefined ? [] : [{ id, session, startMs, endMs }];
  });
  known.sort((a, b) => a.startMs - b.startMs || (a.id < b.id ? -1 : 1));
  return { on: known.filter((s) => s.startMs <= now && now < s.endMs), next: known.find((s) => s.startMs > now) };
}
