import { describe, expect, test } from "vitest";
import { change, column, duration, large, largeText, lift, percent, range, rate, seconds, tenths, times, whole } from "../src/lib/numbers";

const THIN = "\u202f";

describe("English", () => {
  test.each([
    [0, "0"],
    [999, "999"],
    [184320, "184,320"],
    [999_999, "999,999"],
    [1_000_000, `1.00${THIN}M`],
    [12_480_000, `12.48${THIN}M`],
    [12_485_000, `12.48${THIN}M`], // half to even
    [12_495_000, `12.50${THIN}M`],
    [1_234_567_890, `1,234.57${THIN}M`],
  ])("%d → %s", (n, text) => expect(largeText(n, "en")).toBe(text));
});

describe("Chinese", () => {
  test.each([
    [9_999, "9,999"],
    [9_999.6, "9,999"], // never 1万
    [10_000, "1.00万"],
    [184_320, "18.43万"],
    [999_949, "99.99万"],
    [999_950, "100.0万"],
    [1_234_567, "123.5万"],
    [9_999_499, "999.9万"],
    [9_999_500, "1000万"],
    [12_480_000, "1248万"],
    [99_994_999, "9999万"],
    [99_995_000, "1.00亿"],
    [123_456_789, "1.23亿"],
    [12_345_678_900, "123.5亿"],
  ])("%d → %s", (n, text) => expect(largeText(n, "zh")).toBe(text));

  test("the unit stands apart, because it is drawn smaller", () =>
    expect(large(184_320, "zh")).toEqual({ text: "18.43", unit: "万" }));

  test("never more than four significant digits", () => {
    for (let n = 10_000; n < 10 ** 12; n = Math.round(n * 1.0137) + 1) {
      expect(large(n, "zh").text.replace(/\D/g, "").length).toBeLessThanOrEqual(4);
    }
  });
});

describe("a column has one unit", () => {
  const written = (values: number[], language: "en" | "zh"): string[] => values.map(column(values, language));
  test("English", () => {
    expect(written([2_840_000, 710_000], "en")).toEqual([`2.84${THIN}M`, `0.71${THIN}M`]);
    expect(written([12_840, 310], "en")).toEqual(["12,840", "310"]);
  });
  test("Chinese keeps full digits below 100,000 and then 万 for all", () => {
    expect(written([99_999, 310], "zh")).toEqual(["99,999", "310"]);
    expect(written([128_400, 9_310], "zh")).toEqual(["12.84万", "0.93万"]);
    expect(written([2_300_000_000, 9_310], "zh")).toEqual(["23.00亿", "0.00亿"]);
  });
});

test("small things", () => {
  expect([whole(-1234), whole(0.5), whole(1.5), whole(2.5)]).toEqual(["−1,234", "0", "2", "2"]);
  expect([rate(0), rate(0.01), rate(3.14), rate(9.97), rate(365.4)]).toEqual(["0", "<0.1", "3.1", "10", "365"]);
  expect([percent(0), percent(0.0003), percent(0.031), percent(0.92)]).toEqual([
    `0${THIN}%`,
    `<0.1${THIN}%`,
    `3.1${THIN}%`,
    `92${THIN}%`,
  ]);
  expect([times(3.14), times(2), times(12.4)]).toEqual(["3.1×", "2×", "12×"]);
  expect([seconds(620, "en"), seconds(12_400, "zh")]).toEqual([`0.6${THIN}s`, "12 秒"]);
  expect([duration(41 * 60_000 + 12_999, "en"), duration(8_076_000, "zh"), duration(-5, "en")]).toEqual([
    "41:12",
    "2:14:36",
    "0:00",
  ]);
  expect([duration(273_120_000, "en"), duration(273_120_000, "zh")]).toEqual([`3${THIN}d 3:52`, "3 天 3:52"]);
});

test("changes carry their sign, shares one decimal, lifts in a table the same digits", () => {
  expect([change(0.184), change(-0.06), change(0.001), change(-0.0049), change(31)]).toEqual([
    "+18\u202f%",
    "−6\u202f%",
    "±0\u202f%",
    "±0\u202f%",
    "+3,100\u202f%",
  ]);
  expect([tenths(0.412), tenths(1), tenths(0.0004)]).toEqual(["41.2", "100.0", "0.0"]);
  expect([lift(2), lift(3.14), lift(9.96), lift(27)]).toEqual(["2.0×", "3.1×", "10×", "27×"]);
});

describe("a range says its unit once", () => {
  test.each([
    [26_900, 35_700, "zh", "2.69–3.57万"],
    [0, 12_000, "zh", "0–1.20万"],
    [8_200, 9_900, "zh", "8,200–9,900"],
    [9_800, 1_234_567, "zh", "1.0–123.5万"],
    [26_900, 35_700, "en", "26,900–35,700"],
    [710_000, 2_840_000, "en", `0.71–2.84${THIN}M`],
  ])("%d to %d in %s", (low, high, language, text) => expect(range(low, high, language).join("–")).toBe(text));

  test("and of two that are written alike both ends are the same", () => {
    expect(range(35_701, 35_702, "zh")).toEqual(["3.57万", "3.57万"]);
  });
});
