import { expect, test } from "vitest";
import { same } from "../src/lib/same";

test("a list with the same entries in the same order is the same list", () => {
  const before = ["BR", "TH"];
  expect(same(before, ["BR", "TH"])).toBe(before);
  expect(same(before, ["TH", "BR"])).toEqual(["TH", "BR"]);
  expect(same(before, ["BR"])).toEqual(["BR"]);
  expect(same(before, ["BR", "TH", "MX"])).toEqual(["BR", "TH", "MX"]);
  expect(same([], [])).toEqual([]);
});
