// How the things of a feed are called in the wall's language: countries, topics, sessions, platforms.

import { platformName } from "./platforms";
import type { Names } from "./spikes";
import type { State } from "./state";
import { view } from "./view.svelte";
import { countryName } from "./world";

export function namesOf(state: State): Names {
  return {
    country: (code) => countryName(code, view.language),
    topic: (id) => view.name(state.topics?.[id]?.name, id),
    session: (id) => view.name(state.sessions?.[id]?.name, id),
    platform: platformName,
    everywhere: view.words.spikes.everywhere,
    comma: view.words.comma,
  };
}
