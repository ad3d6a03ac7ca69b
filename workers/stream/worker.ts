/** Runs the declared jobs, each by itself. */
import { DeclaredRuns, type DeclaredRunsPorts } from "../../core/declared-runs.ts";
import type { Job } from "../../core/job.ts";
import type { Sample } from "../../core/open-metrics.ts";
import { JobLoop, type JobOptions, type JobPorts } from "./job-loop.ts";

export interface JobWorker {
  /** Until the signal is aborted and all have ended. */
  run(signal: AbortSignal): Promise<void>;
  samples(): readonly Sample[];
  /** Those that run here, by name. */
  jobs(): ReadonlyMap<string, JobLoop>;
}

export function createJobWorker(ports: JobPorts & DeclaredRunsPorts, options: JobOptions): JobWorker {
  const runs = new DeclaredRuns<Job, JobLoop>(ports, {
    kind: "job",
    run: async (job, begun, signal) => {
      const loop = new JobLoop(ports, options, job);
      begun(loop);
      await loop.run(signal);
    },
  });
  return {
    run: (signal) => runs.run(signal),
    samples: () => [...runs.loops().values()].flatMap((loop) => loop.samples()),
    jobs: () => runs.loops(),
  };
}
