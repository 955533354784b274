import { describe, expect, test } from "vitest";
import en from "../src/words/en";

const { words } = en;

describe("one of a thing is not many", () => {
  test.each([
    [words.authors("1"), "≈ 1 author, event"],
    [words.authors("2,758"), "≈ 2,758 authors, event"],
    [words.livestreamsLive(1), "livestream live"],
    [words.livestreamsLive(0), "livestreams live"],
    [words.countriesLive(1), "country or region"],
    [words.countries.summary("1"), "1 country or region has engagement or a livestream now."],
    [words.countries.guessed("1"), "1 message guessed by language stays in ZZ"],
    [words.countries.guessed("21"), "21 messages guessed by language stay in ZZ"],
    [words.moves.actions("1"), "1 action in 60 min"],
    [words.voice.actions("1.20 M"), "1.20 M actions"],
    [words.livestreams.about("1"), "1 of the cells is meant"],
    [words.livestreams.left("1"), "1 more livestream is counted above, but has no room here."],
    [words.canBeCollected("1", "1"), "1 of 1 livestream can be collected."],
  ])("%s", (written, wanted) => expect(written).toBe(wanted));
});
