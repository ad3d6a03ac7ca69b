/** Which traces are kept, by the variables of OpenTelemetry's specification: OTEL_TRACES_SAMPLER and its argument. */
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";
import { MuaraError } from "../../core/errors.ts";

const PARENT_BASED = "parentbased_";
const DEFAULT = "parentbased_always_on";

/** @throws config.invalid for what the specification does not know */
export function samplerOf(environment: Readonly<Record<string, string | undefined>>): Sampler {
  const name = environment["OTEL_TRACES_SAMPLER"] || DEFAULT;
  const root = rootSampler(name.replace(PARENT_BASED, ""), environment["OTEL_TRACES_SAMPLER_ARG"] || "1");
  return name.startsWith(PARENT_BASED) ? new ParentBasedSampler({ root }) : root;
}

function rootSampler(name: string, ratio: string): Sampler {
  switch (name) {
    case "always_on":
      return new AlwaysOnSampler();
    case "always_off":
      return new AlwaysOffSampler();
    case "traceidratio": {
      const share = Number(ratio);
      if (share >= 0 && share <= 1) return new TraceIdRatioBasedSampler(share);
      throw invalid("OTEL_TRACES_SAMPLER_ARG", ratio, "a number from 0 to 1");
    }
    default:
      throw invalid(
        "OTEL_TRACES_SAMPLER",
        name,
        "always_on, always_off, traceidratio, or parentbased_ before it",
      );
  }
}

function invalid(variable: string, value: string, wanted: string): MuaraError {
  return new MuaraError("config.invalid", `${variable} is "${value}"; it is ${wanted}`, {
    details: { key: variable },
  });
}
