/**
 * Sends spans to a collector, as OTLP over HTTP, in batches, beside the work: where the collector is slow or gone spans
 * are dropped, and nothing waits. Loaded only where an address is given.
 */
import { context, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { createContextManager } from "./context-manager.ts";
import { samplerOf } from "./sampler.ts";

/** Spans that wait; what comes beyond is dropped. */
const QUEUE_MAX = 4_096;
const BATCH_MAX = 512;
const DELAY_MS = 1_000;
/** Of one export, and of the last one at a stop. */
const EXPORT_MS = 2_000;

export interface Tracing {
  /** Sends what is left, for two seconds at most. */
  close(): Promise<void>;
}

/**
 * @param endpoint `/v1/traces` is added; undefined: as the variables OTEL_EXPORTER_OTLP_* say
 * @throws config.invalid
 */
export function openTracing(
  endpoint: string | undefined,
  version: string,
  environment: Readonly<Record<string, string | undefined>>,
): Tracing {
  const service = environment["OTEL_SERVICE_NAME"] || "muara";
  const resource = defaultResource().merge(
    resourceFromAttributes({
      "service.name": service,
      "service.version": version,
      ...attributesOf(environment["OTEL_RESOURCE_ATTRIBUTES"]),
    }),
  );
  const exporter = new OTLPTraceExporter({
    ...(endpoint === undefined ? {} : { url: `${endpoint.replace(/\/+$/, "")}/v1/traces` }),
    timeoutMillis: EXPORT_MS,
  });
  const processor = new BatchSpanProcessor({
    exporter,
    maxQueueSize: QUEUE_MAX,
    maxExportBatchSize: BATCH_MAX,
    scheduledDelayMillis: Number(environment["OTEL_BSP_SCHEDULE_DELAY"]) || DELAY_MS,
    exportTimeoutMillis: EXPORT_MS,
  });
  const provider = new TracerProvider({
    resource,
    sampler: samplerOf(environment),
    spanProcessors: [processor],
  });
  context.setGlobalContextManager(createContextManager().enable());
  trace.setGlobalTracerProvider(provider);
  return {
    close: async () => {
      trace.disable();
      context.disable();
      await provider.shutdown().catch(() => undefined);
    },
  };
}

/** `key=value,key=value`, percent-encoded (OpenTelemetry specification, resource SDK). */
function attributesOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? "").split(",").flatMap((pair): [string, string][] => {
    const at = pair.indexOf("=");
    return at < 1 ? [] : [[pair.slice(0, at).trim(), safeDecode(pair.slice(at + 1).trim())]];
  });
  return Object.fromEntries(pairs);
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
