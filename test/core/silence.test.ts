/** Matchers and silences; what an expression matches is compared with JavaScript's own engine. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { LabelMatcher, parseMatchers } from "../../core/alert-matcher.ts";
import { silenceSchema, Silences } from "../../core/silence.ts";

const labels = { alertname: "Orders", country: "DE", text: 'a "b"\\\n' };
const invalid = expect.objectContaining({ code: "alert.matcher_invalid" });

test.each([
  ['country="DE"', true],
  ['country="D"', false],
  ['country=~"D"', false],
  ['country=~"D."', true],
  ['country=~"AT|DE"', true],
  ['country!~"AT|D"', true],
  ['country!~"D.*"', false],
  ['country!="AT"', true],
  ['country!="DE"', false],
  ['gone=""', true],
  ['gone!=""', false],
  ['gone=~".+"', false],
  ['gone!~".+"', true],
  [' { country = DE , alertname =~ "Ord.*", } ', true],
  ['{country="DE", alertname="Other"}', false],
  [String.raw`text="a \"b\"\\\n"`, true],
  ["toString=~'.*'", true],
])("%s", (text, isMatched) => {
  const matchers = parseMatchers(text.replaceAll("'", '"'));
  expect(matchers.every((matcher) => matcher.matches(labels))).toBe(isMatched);
  const again = parseMatchers(matchers.map(String).join(","));
  expect(again.map(({ source }) => source)).toEqual(matchers.map(({ source }) => source));
});

test.each([
  "country",
  "country==DE=",
  '1a="b"',
  'a="b" c="d"',
  'a=~"("',
  'a=~"a)|(b"',
  String.raw`a=~"(a)\\1"`,
])("%s is refused", (text) => expect(() => parseMatchers(text)).toThrow(invalid));

test("expressions match whole values, and none takes long", () => {
  const part = fc.constantFrom("a", "b", ".", "[ab]", "(a|b)", "a*", "(ab)+", "b?", "|");
  const expression = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(""));
  const value = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 8 }).map((letters) => letters.join(""));
  fc.assert(
    fc.property(expression, value, (source, text) => {
      const matcher = new LabelMatcher({ name: "x", value: source, isRegex: true, isEqual: true });
      expect(matcher.matches({ x: text })).toBe(new RegExp(`^(?:${source})$`, "u").test(text));
    }),
    { numRuns: 2_000 },
  );
  const [evil] = parseMatchers('x=~"(a+)+b"');
  const beforeMs = performance.now();
  expect(evil!.matches({ x: "a".repeat(1_024) })).toBe(false);
  expect(performance.now() - beforeMs).toBeLessThan(2_000);
});

const silence = (more: Record<string, unknown> = {}) => ({
  id: "0a8a4a9c-4f0e-4f06-9d1f-1f2e3d4c5b6a",
  matchers: [{ name: "country", value: "DE", isRegex: false, isEqual: true }],
  startsAtMs: 100,
  endsAtMs: 200,
  by: "me",
  comment: "a sale ends",
  ...more,
});

test("a silence holds from its start until just before its end", () => {
  const silences = new Silences([silenceSchema.parse(silence())]);
  const held = [99, 100, 199, 200].map((nowMs) => silences.of(labels, nowMs).length);
  expect(held).toEqual([0, 1, 1, 0]);
  expect(silences.of({ country: "AT" }, 150)).toEqual([]);
});

test("all of its matchers have to match, one of them something", () => {
  const both = [
    { name: "country", value: "DE", isRegex: false, isEqual: true },
    { name: "gone", value: "", isRegex: false, isEqual: true },
  ];
  const silences = new Silences([silenceSchema.parse(silence({ matchers: both }))]);
  expect(silences.of(labels, 150)).toHaveLength(1);
  expect(silences.of({ ...labels, gone: "no" }, 150)).toEqual([]);
  expect(() => new Silences([silenceSchema.parse(silence({ matchers: both.slice(1) }))])).toThrow(invalid);
});

const isTaken = (more: Record<string, unknown>): boolean => silenceSchema.safeParse(silence(more)).success;

test("an end before its start, or after more than a year, and a missing comment are refused", () => {
  const yearMs = 366 * 86_400_000;
  expect([101, 100].map((endsAtMs) => isTaken({ endsAtMs }))).toEqual([true, false]);
  expect([100 + yearMs, 101 + yearMs].map((endsAtMs) => isTaken({ endsAtMs }))).toEqual([true, false]);
  expect(isTaken({ comment: "" })).toBe(false);
});
