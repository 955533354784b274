// How wide text really is with the fonts of this screen: the choice of Voices asks it before a message is put anywhere.

import type { Measure } from "./voices";

/** Measures in ems, by the browser's own shaping; asked once for each piece of text and weight. */
export function measured(): Measure {
  const pen = document.createElement("canvas").getContext("2d");
  const family = getComputedStyle(document.body).fontFamily;
  const known = new Map<string, number>();
  return (text, { weight, size }) => {
    const key = `${weight} ${text}`;
    let width = known.get(key);
    if (width === undefined) {
      if (known.size > 20_000) known.clear();
      if (pen === null) return text.length;
      pen.font = `${weight} 100px ${family}`;
      known.set(key, (width = pen.measureText(text).width / 100));
    }
    return size > 60 ? width * 0.99 : width;
  };
}
