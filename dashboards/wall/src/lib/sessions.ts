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
