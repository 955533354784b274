// Text from outside is data: it may not turn the direction of what stands beside it, nor grow over other lines.

// Embeddings and overrides (U+202A–U+202E) change the order of neighbours; isolates keep to themselves and stay.
const TURNING = /[\u202a-\u202e\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;
/** More than four marks on a base are not a script but a tower. */
const TOWER = /(\p{M}{4})\p{M}+/gu;

export function clean(text: string): string {
  return text.replace(TURNING, "").replace(TOWER, "$1");
}
