/** Which traces are kept: every name that OpenTelemetry's specification has for OTEL_TRACES_SAMPLER, and no other. */
import { context, ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import { SamplingDecision } from "@opentelemetry/sdk-trace";
import { expect, test } from "vitest";
import { samplerOf } from "../../../adapters/otel/sampler.ts";

/** Whether a trace with the parent's flag is kept; undefined: it begins here. */
function keeps(
  environment: Record<string, string>,
  isParentKept: boolean | undefined,
  traceId: string,
): boolean {
  const parent = { traceId, spanId: "00f067aa0ba902b7", traceFlags: isParentKept ? 1 : 0, isRemote: true };
  const above = isParentKept === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
  const { decision } = samplerOf(environment).shouldSample(above, traceId, "x", SpanKind.SERVER, {}, []);
  return decision === SamplingDecision.RECORD_AND_SAMPLED;
}

const keptAt = (share: string, traceId: string): boolean =>
  keeps({ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: share }, undefined, traceId);
const LOW = "4bf92f3577b34da6a3ce929d00000001";
const HIGH = "4bf92f35ffffffffa3ce929dffffffff";

test.each([
  [undefined, [true, true, false]],
  ["", [true, true, false]],
  ["always_on", [true, true, true]],
  ["always_off", [false, false, false]],
  ["parentbased_always_on", [true, true, false]],
  ["parentbased_always_off", [false, true, false]],
  ["parentbased_traceidratio", [true, true, false]],
] as const)("%s", (name, kept) => {
  const environment: Record<string, string> = name === undefined ? {} : { OTEL_TRACES_SAMPLER: name };
  expect([undefined, true, false].map((parent) => keeps(environment, parent, HIGH))).toEqual(kept);
});

test("of a share the same traces are kept in every process", () => {
  expect([keptAt("1", LOW), keptAt("1", HIGH), keptAt("0", LOW), keptAt("0", HIGH)]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  const ids = Array.from({ length: 4_096 }, (_, i) =>
    (Math.imul(i + 1, 0x9e3779b1) >>> 0).toString(16).padStart(32, "0"),
  );
  const share = ids.filter((id) => keptAt("0.25", id)).length / ids.length;
  expect(share).toBeGreaterThan(0.2);
  expect(share).toBeLessThan(0.3);
  expect(context.active()).toBe(ROOT_CONTEXT);
});

test.each([
  [{ OTEL_TRACES_SAMPLER: "sometimes" }, "OTEL_TRACES_SAMPLER"],
  [{ OTEL_TRACES_SAMPLER: "parentbased_" }, "OTEL_TRACES_SAMPLER"],
  [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "1.1" }, "OTEL_TRACES_SAMPLER_ARG"],
  [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "-0.1" }, "OTEL_TRACES_SAMPLER_ARG"],
  [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "half" }, "OTEL_TRACES_SAMPLER_ARG"],
])("%o is refused", (environment, key) => {
  expect(() => samplerOf(environment)).toThrow(
    expect.objectContaining({ code: "config.invalid", details: { key } }),
  );
});
