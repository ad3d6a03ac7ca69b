/** `traceparent` by the rules and examples of W3C Trace Context §3.2, and flow ids that follow from it. */
import { expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { flowIdOf } from "../../core/http.ts";
import { formatTraceparent, parseTraceparent } from "../../core/traceparent.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

test.each([
  [`00-${TRACE}-${SPAN}-01`, 1],
  [`00-${TRACE}-${SPAN}-00`, 0],
  [`00-${TRACE}-${SPAN}-ff`, 255],
  [`cc-${TRACE}-${SPAN}-01`, 1],
  [`cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, 1],
])("%s is read", (text, flags) => {
  expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, flags });
});

test.each([
  [null],
  [undefined],
  [""],
  [`ff-${TRACE}-${SPAN}-01`],
  [`00-${TRACE.toUpperCase()}-${SPAN}-01`],
  [`00-${"0".repeat(32)}-${SPAN}-01`],
  [`00-${TRACE}-${"0".repeat(16)}-01`],
  [`00-${TRACE}-${SPAN}-01-more`],
  [`00-${TRACE}-${SPAN}-01.`],
  [`cc-${TRACE}-${SPAN}-01.`],
  [`00-${TRACE}-${SPAN}-1`],
  [` 00-${TRACE}-${SPAN}-01`],
  [`cc-${TRACE}-${SPAN}-01-${"x".repeat(512)}`],
])("%s counts as absent", (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});

test("only the flag that is defined is passed on", () => {
  expect(formatTraceparent({ traceId: TRACE, spanId: SPAN, flags: 255 })).toBe(`00-${TRACE}-${SPAN}-01`);
  expect(formatTraceparent({ traceId: TRACE, spanId: SPAN, flags: 2 })).toBe(`00-${TRACE}-${SPAN}-00`);
});

test("a flow id is what was given, else the trace, else a fresh one", () => {
  const randomness = seededRandomness(1);
  const of = (headers: Record<string, string>): string =>
    flowIdOf(new Request("http://x/", { headers }), randomness);
  const traceparent = `00-${TRACE}-${SPAN}-01`;
  expect(of({ "x-flow-id": "a/b+c_d=e-f", traceparent })).toBe("a/b+c_d=e-f");
  expect(of({ traceparent })).toBe(TRACE);
  expect(of({ "ce-traceparent": traceparent })).toBe(TRACE);
  expect(of({ traceparent, "ce-traceparent": `00-${"1".repeat(32)}-${SPAN}-01` })).toBe(TRACE);
  expect(of({ "x-flow-id": "with space", traceparent })).toBe(TRACE);
  expect(of({ traceparent: "00-1-2-3" })).toMatch(/^[0-9a-f-]{36}$/);
  expect(of({ "x-flow-id": "x".repeat(128) })).toBe("x".repeat(128));
  expect(of({ "x-flow-id": "x".repeat(129) })).toMatch(/^[0-9a-f-]{36}$/);
});
