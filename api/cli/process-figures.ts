/** What the runtime says of this process, for `/metrics`: memory, CPU, pauses. */
import { constants, PerformanceObserver } from "node:perf_hooks";
import process from "node:process";
import type { Clock } from "../../core/clock.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Measures } from "../../core/measures.ts";
import type { Sample } from "../../core/open-metrics.ts";

const TICK_MS = 100;
const US = 1_000_000;
const KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: "minor",
  [constants.NODE_PERFORMANCE_GC_MAJOR]: "major",
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: "incremental",
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: "weak",
};

/** Notes delays of the event loop and pauses for garbage until the signal is aborted. */
export async function watchProcess(measures: Measures, clock: Clock, signal: AbortSignal): Promise<void> {
  const observer = watchGarbage(measures);
  while (!signal.aborted) {
    const startMs = clock.monotonicMs();
    await clock.sleep(TICK_MS, signal);
    if (signal.aborted) break;
    const lateMs = Math.max(0, clock.monotonicMs() - startMs - TICK_MS);
    measures.observe("muara_event_loop_delay_seconds", lateMs / 1_000, {});
  }
  observer?.disconnect();
}

export function processSamples(kernel: Kernel, version: string): readonly Sample[] {
  const { rss, heapUsed, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const runtime = process.versions["deno"]
    ? `deno ${process.versions["deno"]}`
    : `node ${process.versions.node}`;
  return [
    { name: "muara_build", labels: { version, runtime }, value: 1 },
    one("process_cpu_seconds", (user + system) / US),
    one("process_resident_memory_bytes", rss),
    one("process_start_time_seconds", performance.timeOrigin / 1_000),
    one("muara_heap_bytes", heapUsed),
    one("muara_buffers_bytes", external),
    one("muara_kernel_memory_bytes", kernel.memoryBytes),
    one("muara_kernel_used_bytes", kernel.usedBytes),
    one("muara_identity_bytes", kernel.identityBudget.bytes),
  ];
}

function one(name: Sample["name"], value: number): Sample {
  return { name, labels: {}, value };
}

/** Undefined where the runtime does not tell of collections (Deno). */
function watchGarbage(measures: Measures): PerformanceObserver | undefined {
  const { supportedEntryTypes = [] } = PerformanceObserver as {
    readonly supportedEntryTypes?: readonly string[];
  };
  if (!supportedEntryTypes.includes("gc")) return undefined;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { detail } = entry as { readonly detail?: { readonly kind?: number } };
      const kind = KINDS[detail?.kind ?? -1] ?? "other";
      measures.observe("muara_gc_pause_seconds", entry.duration / 1_000, { kind });
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return observer;
}
