/** What a job's commit tells of where its rows come from. A place that moves without rows tells nothing. */
import type { Job } from "../../core/job.ts";
import type { Lineage, LineageInput } from "../../core/ports/lineage.ts";
import { lineageFields } from "../../lake/lineage-fields.ts";
import type { JobOutput, ResultFiles } from "./job-output.ts";

interface Commit {
  readonly job: Job;
  readonly files: ResultFiles;
  readonly output: Pick<JobOutput, "snapshot">;
}

/** @returns what `commit` says */
export async function toldOfCommit(
  lineage: Lineage | undefined,
  { job, files, output }: Commit,
  commit: () => Promise<boolean>,
): Promise<boolean> {
  const { release } = files;
  if (!lineage || !release) return commit();
  const inputs = job.inputs.map((table): LineageInput => ({ of: lineage.table(table) }));
  const of = lineage.table(job.output);
  const run = lineage.start({ name: `job.${job.name}`, kind: "JOB" }, inputs, [{ of }]);
  try {
    const isCommitted = await commit();
    const { version, metadata } = output.snapshot;
    const fields = metadata ? { fields: lineageFields(metadata.schemaString) } : {};
    const written = { rows: release.rows, bytes: release.bytes, files: 1 };
    if (isCommitted) run.complete(inputs, [{ of, version: String(version), ...fields, written }]);
    else run.abort();
    return isCommitted;
  } catch (error) {
    run.fail(error);
    throw error;
  }
}
