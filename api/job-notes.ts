/** Jobs that run in other processes, as these say. */
import { z } from "zod";
import { JOB_FOLDER, JOB_STATES, type NotedJob, notedJobs, type ProcessNote } from "../core/job-note.ts";
import type { ApiPorts } from "./context.ts";

/** By job id. */
export type JobNotes = ReadonlyMap<string, NotedJob>;

const noteSchema = z.object({
  version: z.literal(1),
  process: z.string(),
  atMs: z.number(),
  jobs: z.record(
    z.string(),
    z.object({
      state: z.enum(JOB_STATES),
      problem: z.string().nullable(),
    }),
  ),
}) satisfies z.ZodType<ProcessNote>;

/** A note that cannot be read (damaged, of another version) is as if it were not there. @throws store.unavailable */
export async function readJobNotes({ store, clock }: ApiPorts): Promise<JobNotes> {
  const found = (await store?.list(JOB_FOLDER)) ?? [];
  const texts = await Promise.all(found.map(({ path }) => store!.get(path)));
  return notedJobs(texts.flatMap(noteOf), clock.nowMs());
}

function noteOf(bytes: Uint8Array | undefined): readonly ProcessNote[] {
  if (!bytes) return [];
  try {
    return [noteSchema.parse(JSON.parse(new TextDecoder().decode(bytes)))];
  } catch {
    return [];
  }
}

/** How a job is, and where it runs; here, where it does. */
export function whereabouts(
  { jobs, process }: ApiPorts,
  { name, id, isPaused }: { readonly name: string; readonly id: string; readonly isPaused: boolean },
  notes: JobNotes,
): Readonly<Record<"state" | "problem" | "runs_on", string | null>> {
  if (isPaused) return { state: "paused", problem: null, runs_on: null };
  const status = jobs?.status(name);
  if (status && status.state !== "waiting")
    return { state: status.state, problem: status.problem ?? null, runs_on: process ?? null };
  const noted = notes.get(id);
  if (noted) return { state: noted.state, problem: noted.problem, runs_on: noted.process };
  return { state: status?.state ?? "unknown", problem: null, runs_on: null };
}
