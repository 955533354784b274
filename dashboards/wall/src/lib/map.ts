// The approved map, where one is named: outlines as the server checked them, drawn as they are. Nothing is moved, added or left out.

export interface Place {
  /** ISO 3166-1; empty: drawn, and never coloured. */
  code: string;
  /** SVG path in degrees, north up. */
  path: string;
}

export interface ApprovedMap {
  review: string;
  places: Place[];
  codes: ReadonlySet<string>;
}

/** What `/map.json` answered; undefined for what is not a map, so that none is shown rather than a wrong one. */
export function readMap(answer: unknown): ApprovedMap | undefined {
  const { review, places } = (answer ?? {}) as { review?: unknown; places?: unknown };
  if (typeof review !== "string" || review === "" || !Array.isArray(places)) return undefined;
  const found: Place[] = [];
  for (const one of places as { code?: unknown; rings?: unknown }[]) {
    if (typeof one?.code !== "string" || !/^([A-Z]{2})?$/.test(one.code) || !Array.isArray(one.rings)) return undefined;
    const path: string[] = [];
    for (const ring of one.rings as unknown[]) {
      if (!Array.isArray(ring) || !ring.every(isPoint)) return undefined;
      path.push(`M${ring.map(([x, y]) => `${x} ${-y}`).join("L")}Z`);
    }
    found.push({ code: one.code, path: path.join("") });
  }
  return { review, places: found, codes: new Set(found.map(({ code }) => code)) };
}

function isPoint(point: unknown): point is [number, number] {
  return Array.isArray(point) && point.length === 2 && point.every((value) => typeof value === "number" && Number.isFinite(value));
}
