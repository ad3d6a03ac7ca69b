/**
 * What a process says of the jobs that run in it, for those who ask another one: JSON under `_jobs/` in the lake's
 * store, one object for each process, written when something changes and every few seconds. Nothing depends on it.
 */
export const JOB_STATES = ["starting", "running", "waiting", "failing", "stopped"] as const;
export type JobState = (typeof JOB_STATES)[number];

export interface JobNote {
  readonly state: JobState;
  readonly problem: string | null;
}

export interface ProcessNote {
  readonly version: 1;
  readonly process: string;
  /** When it was written, ms since 1970 UTC. */
  readonly atMs: number;
  /** By job id; those that another process has are not there. */
  readonly jobs: Readonly<Record<string, JobNote>>;
}

export interface NotedJob extends JobNote {
  /** Where it runs. */
  readonly process: string;
}

export const JOB_FOLDER = "_jobs";
export const NOTE_EVERY_MS = 10_000;
/** One that is older is of a process that has gone, ms. */
export const NOTE_KEPT_MS = 3 * NOTE_EVERY_MS;

export function notePath(process: string): string {
  return `${JOB_FOLDER}/${process}.json`;
}

/** By job id; of two that say that they run a job the newer note holds. @param notes newest wins */
export function notedJobs(notes: readonly ProcessNote[], nowMs: number): ReadonlyMap<string, NotedJob> {
  const young = notes.filter(({ atMs }) => nowMs - atMs <= NOTE_KEPT_MS).toSorted((a, b) => a.atMs - b.atMs);
  return new Map(
    young.flatMap(({ process, jobs }) =>
      Object.entries(jobs).map(([id, note]) => [id, { ...note, process }] as const),
    ),
  );
}
