/** What the log itself has to tell `/metrics`, as far as it can. */
import type { Sample } from "./open-metrics.ts";
import type { Log } from "./ports/log.ts";

export async function logSamples(log: Log): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const use = log.diskUse?.();
  if (use) {
    samples.push({ name: "muara_log_disk_bytes", labels: {}, value: use.bytes });
    samples.push({ name: "muara_log_segments", labels: {}, value: use.segments });
    if (Number.isFinite(use.bytesMax))
      samples.push({ name: "muara_log_disk_budget_bytes", labels: {}, value: use.bytesMax });
  }
  if (log.refusal)
    samples.push({ name: "muara_log_refusing", labels: {}, value: (await log.refusal()) ? 1 : 0 });
  return samples;
}
