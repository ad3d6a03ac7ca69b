/** Landing and its projections as one process runs them: of the tables that it owns, until it is told to end. */
import type { Config } from "../../core/config.ts";
import { alsoOwning, type Ownership } from "../../core/ports/ownership.ts";
import type { Registry } from "../../core/registry.ts";
import { createCommitBudget } from "./commit-budget.ts";
import type { LandPorts } from "./options.ts";
import { createProjector } from "./projector.ts";
import { createLandWorker, type LandWorker } from "./worker.ts";

const HOUR_MS = 3_600_000;

export interface RunLandingPorts extends LandPorts {
  readonly registry: Registry;
  readonly config: Pick<Config, "land" | "limits">;
  /** Closed at the end. */
  readonly ownership: Ownership;
}

/** @param onWorker is given the worker as soon as there is one */
export async function runLanding(
  base: RunLandingPorts,
  signal: AbortSignal,
  onWorker: (worker: LandWorker) => void,
): Promise<void> {
  const { land, limits } = base.config;
  const ownership = alsoOwning(base.ownership, namesIn(land.forced));
  const ports = { ...base, ownership, budget: createCommitBudget(base.clock, land) };
  const worker = createLandWorker(ports, {
    ...land,
    eventBytes: limits.eventBytes,
    depth: limits.depth,
    horizonMs: land.horizonHours * HOUR_MS,
    generationMs: land.generationHours * HOUR_MS,
  });
  onWorker(worker);
  const projector = createProjector(ports);
  try {
    await Promise.all([worker.run(signal), projector.run(land.projectMs, signal)]);
    // What was accepted before the stop is landed and booked before the process ends.
    await worker.drain();
    await projector.drain();
  } finally {
    await ownership.close();
  }
}

function namesIn(text: string): ReadonlySet<string> {
  return new Set(text.split(",").flatMap((name) => name.trim() || []));
}
