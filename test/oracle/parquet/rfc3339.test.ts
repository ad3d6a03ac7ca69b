import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ParsedTime,
  parseDate,
  parseTime,
  TIME_MALFORMED,
  TIME_OK,
  TIME_OUT_OF_RANGE,
} from "./rfc3339.ts";
import { instantOf } from "../../lake/parquet/reference.ts";

function parsed(text: string): { outcome: number; time: ParsedTime } {
  const time = { seconds: Number.NaN, micros: Number.NaN, isCut: false };
  // Inside a longer text, as the decoder finds it.
  const outcome = parseTime(`"${text}"9`, 1, 1 + text.length, time);
  return { outcome, time };
}

const days = fc.date({
  min: new Date("0001-01-02T00:00:00Z"),
  max: new Date("9999-12-30T23:59:59Z"),
  noInvalidDate: true,
});

describe("RFC 3339", () => {
  // The calendar repeats after 400 years, 146,097 days; 97 visits every part of it.
  test.each([
    ["every day of 400 years", "1800-01-01", 146_097, 1],
    ["every 97th day from first to last", "0001-01-01", 37_651, 97],
  ])("%s is Date's", (_name, from, count, step) => {
    let day = Date.parse(`${from}T00:00:00Z`) / 86_400_000;
    const wrong: string[] = [];
    for (let i = 0; i < count; i++, day += step) {
      const text = new Date(day * 86_400_000).toISOString();
      if (parseDate(text, 0) !== day) wrong.push(text);
    }
    expect(wrong).toEqual([]);
  });

  test("times are Date's, in any zone, with any fraction", () => {
    fc.assert(
      fc.property(
        days,
        fc.integer({ min: -1_439, max: 1_439 }),
        fc.string({ unit: fc.constantFrom("0", "0", "1", "5", "9"), minLength: 1, maxLength: 12 }),
        fc.constantFrom("T", "t", " "),
        (instant, zone, fraction, separator) => {
          const seconds = Math.floor(instant.getTime() / 1_000);
          const local = new Date((seconds + zone * 60) * 1_000).toISOString();
          const clock = [Math.floor(Math.abs(zone) / 60), Math.abs(zone) % 60].map((n) =>
            String(n).padStart(2, "0"),
          );
          const offset = (zone < 0 ? "-" : "+") + clock.join(":");
          const text = `${local.slice(0, 10)}${separator}${local.slice(11, 19)}.${fraction}${offset}`;
          expect(parsed(text)).toEqual({
            outcome: TIME_OK,
            time: {
              seconds,
              micros: Number(fraction.padEnd(6, "0").slice(0, 6)),
              isCut: Number(fraction.slice(6)) > 0,
            },
          });
        },
      ),
    );
  });

  test("one wrong character is noticed", () => {
    const good = "2024-02-29T23:59:58.123456+05:30";
    fc.assert(
      fc.property(
        fc.nat({ max: good.length }),
        fc.constantFrom(..."0Zz:.+-T t9a/".split(""), ""),
        (at, put) => {
          const text = good.slice(0, at) + put + good.slice(at + 1);
          expect(parsed(text).outcome === TIME_MALFORMED).toBe(instantOf(text) === undefined);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test.each([
    "",
    "Z",
    "2024-01-01",
    "2024-01-01T00:00Z",
    "2024-01-01T00:00:00",
    "2024-01-01T24:00:00Z",
    "2024-01-01T00:60:00Z",
    "2024-01-01T00:00:61Z",
    "2024-00-01T00:00:00Z",
    "2024-13-01T00:00:00Z",
    "2024-01-00T00:00:00Z",
    "2024-01-32T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2024-04-31T00:00:00Z",
    "0000-12-31T00:00:00Z",
    "2024-01-01T00:00:00+24:00",
    "2024-01-01T00:00:00+00:60",
    "2024-01-01T00:00:00+0000",
    "2024-01-01T00:00:00Z ",
    " 2024-01-01T00:00:00Z",
    "+2024-01-01T00:00:00Z",
    "2024-01-01T00:00:00.Z",
    "2024-01-01T00:00:00,5Z",
    "2016-12-31T23:58:60Z",
    "2016-12-31T22:59:60Z",
  ])("%s is malformed", (text) => {
    expect(parsed(text).outcome).toBe(TIME_MALFORMED);
  });

  test("the ends of the range", () => {
    expect(parsed("0001-01-01T00:00:00Z").outcome).toBe(TIME_OK);
    expect(parsed("9999-12-31T23:59:59.999999Z").outcome).toBe(TIME_OK);
    expect(parsed("0001-01-01T00:00:00+00:01").outcome).toBe(TIME_OUT_OF_RANGE);
    expect(parsed("9999-12-31T23:59:59-00:01").outcome).toBe(TIME_OUT_OF_RANGE);
    expect(parsed("9999-12-31T23:59:60Z").outcome).toBe(TIME_OUT_OF_RANGE);
  });

  test("a leap second is the next second, and cut", () => {
    expect(parsed("2017-01-01T05:29:60.75+05:30")).toEqual({
      outcome: TIME_OK,
      time: { seconds: Date.UTC(2017, 0, 1) / 1_000, micros: 0, isCut: true },
    });
  });
});
