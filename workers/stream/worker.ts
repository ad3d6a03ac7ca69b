/** Runs the declared jobs, each by itself. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DeclaredRuns, type DeclaredRunsPorts } from "../../core/declared-runs.ts";
import { type Job, jobVersion } from "../../core/job.ts";
import type { JobNote } from "../../core/job-note.ts";
import type { Sample } from "../../core/open-metrics.ts";
import { JobLoop, type JobOptions, type JobPorts } from "./job-loop.ts";
import { keepNote } from "./process-note.ts";

export interface JobWorker {
  /** Until the signal is aborted and all have ended. */
  run(signal: AbortSignal): Promise<void>;
  samples(): readonly Sample[];
  /** Those that run here, by name. */
  jobs(): ReadonlyMap<string, JobLoop>;
}

export interface JobWorkerPorts extends JobPorts, DeclaredRunsPorts {
  /** Its name, where others want to know what runs in it; absent: there are no others. */
  readonly process?: string | undefined;
}

export function createJobWorker(ports: JobWorkerPorts, options: JobOptions): JobWorker {
  const isFollowed = (table: string): boolean =>
    ports.registry.list<Job>("job").some(({ value }) => value?.inputs.includes(table));
  const runs = new DeclaredRuns<Job, JobLoop>(ports, {
    kind: "job",
    identityOf: (job) => `${job.id}/${jobVersion(job)}`,
    run: async (job, begun, signal) => {
      const loop = new JobLoop({ ...ports, isFollowed }, options, job);
      begun(loop);
      await loop.run(signal);
    },
  });
  return {
    run: async (signal) => {
      await sweepFolders(ports, options.folder);
      const notes = async (): Promise<void> => {
        if (ports.process !== undefined)
          await keepNote(ports, ports.process, () => notesOf(runs.loops().values()), signal);
      };
      await Promise.all([runs.run(signal), notes()]);
    },
    samples: () => [...runs.loops().values()].flatMap((loop) => loop.samples()),
    jobs: () => runs.loops(),
  };
}

/** By job id. */
function notesOf(loops: Iterable<JobLoop>): Readonly<Record<string, JobNote>> {
  const here = [...loops].filter(({ state }) => state !== "waiting");
  return Object.fromEntries(
    here.map(({ job, state, problem }) => [job.id, { state, problem: problem ?? null }] as const),
  );
}

/** State of jobs that are no longer declared. */
async function sweepFolders(
  { registry }: Pick<DeclaredRunsPorts, "registry">,
  folder: string,
): Promise<void> {
  const kept = new Set(registry.list<Job>("job").map(({ value }) => value?.id));
  for (const name of await readdir(folder).catch(() => []))
    if (!kept.has(name)) await rm(join(folder, name), { recursive: true, force: true });
}
