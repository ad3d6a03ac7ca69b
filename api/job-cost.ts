/** What a job would read at its start: an estimate, from the statistics of its inputs' files. */
import type { JobLimits } from "../core/job.ts";
import type { JobPlan } from "../lake/job/plan.ts";
import { statedRows } from "../lake/table/add-file.ts";
import type { ApiPorts } from "./context.ts";

export interface JobCost {
  /** Of the newest snapshots; a file that does not state its rows counts as none. */
  readonly rows: number;
  readonly bytes: number;
  /** In which what is there is released, where it begins with it. */
  readonly history_steps: number;
}

export async function costOf(
  { catalog }: ApiPorts,
  { inputs }: JobPlan,
  { step_rows: stepRows }: Pick<JobLimits, "step_rows">,
): Promise<JobCost> {
  let [rows, bytes] = [0, 0];
  for (const { table } of inputs) {
    const { files } = await catalog.snapshot(table);
    for (const file of files.values()) {
      rows += statedRows(file) ?? 0;
      bytes += file.size;
    }
  }
  return { rows, bytes, history_steps: Math.max(1, Math.ceil(rows / stepRows)) };
}
