/**
 * GET /v1/jobs/{name}/graph: what a job reads, through which stages it goes, what it writes; how far each input is and
 * how busy the job is. A job is one process that does all of its stages, so they are as busy as it is.
 */
import type { Hono } from "hono";
import { HISTORY_DONE, type Job, jobPosition, jobTables } from "../../core/job.ts";
import { watermarkOf } from "../../core/landed.ts";
import { jobStages } from "../../lake/job/job-stages.ts";
import { type ApiContext, type ApiEnv, type ApiPorts, isoOrNull, type JobActivity } from "../context.ts";
import { time } from "../job-answer.ts";

type Node = Readonly<Record<string, unknown>> & { readonly id: string };

/** @param jobOf that the path names; throws job.not_found */
export function addJobGraph(
  app: Hono<ApiEnv>,
  ports: ApiPorts,
  jobOf: (context: ApiContext) => Promise<Job>,
): void {
  app.get("/v1/jobs/:name/graph", async (context) =>
    context.json(await graphOf(ports, await jobOf(context))),
  );
}

async function graphOf(ports: ApiPorts, job: Job): Promise<object> {
  const { name, inputs, output, id, isPaused, text } = job;
  const status = isPaused ? undefined : ports.jobs?.status(name);
  const tables = await Promise.all(
    inputs.map((table) => ports.catalog.snapshot(table).catch(() => undefined)),
  );
  const ids = tables.flatMap((table) => table?.metadata?.id ?? []);
  const { txns, version } = await ports.catalog.snapshot(output);
  const position = ids.length === inputs.length ? jobPosition(txns, id, ids) : undefined;
  const sources: readonly Node[] = inputs.map((table, i) => {
    const found = tables[i];
    const read = found?.metadata && position?.versions[found.metadata.id];
    return {
      id: `table:${table}`,
      kind: "source",
      name: table,
      version: found && found.version >= 0 ? found.version : null,
      read_version: read ?? null,
      behind_versions: found && read !== undefined ? Math.max(0, found.version - read) : null,
      watermark: isoOrNull(found && watermarkOf(found.txns)),
    };
  });
  const sinks: readonly Node[] = jobTables(job).map((table) => ({
    id: `sink:${table}`,
    kind: "sink",
    name: table,
  }));
  const { stages, edges } = stagesOf(text, inputs);
  return {
    job: name,
    busy: status?.activity ? Math.round(status.activity.busy * 1_000) / 1_000 : null,
    activity: status?.activity ? shownActivity(status.activity) : null,
    is_live: position?.historyUs === HISTORY_DONE,
    released_until: time(position?.releasedUs),
    output_version: version,
    nodes: [...sources, ...stages, ...sinks.slice(0, 1)],
    edges: [...edges, { from: "stage:", to: `sink:${output}` }],
    side_tables: sinks.slice(1).map((node) => node["name"]),
  };
}

function stagesOf(
  text: string,
  inputs: readonly string[],
): { readonly stages: readonly Node[]; readonly edges: readonly { from: string; to: string }[] } {
  const found = jobStages(text);
  const known = new Map<string, string>();
  for (const table of inputs) {
    known.set(table.toLowerCase(), `table:${table}`);
    known.set(table.toLowerCase().replaceAll(/[^a-z0-9_]/g, "_"), `table:${table}`);
  }
  const stages: Node[] = [];
  const edges: { from: string; to: string }[] = [];
  for (const { name, kind, reads, text: written } of found) {
    const id = `stage:${name ?? ""}`;
    for (const read of reads) {
      const from = known.get(read.toLowerCase());
      if (from !== undefined) edges.push({ from, to: id });
    }
    stages.push({ id, kind, name, text: written });
    // A CTE hides a table of its name from what stands behind it.
    if (name !== null) known.set(name.toLowerCase(), id);
  }
  return { stages, edges };
}

function shownActivity(activity: JobActivity): object {
  const { steps, rows, rebuilds, lastStepMs, stateRows, storedRows } = activity;
  return {
    steps,
    rows,
    rebuilds,
    last_step_ms: lastStepMs,
    state_rows: stateRows,
    stored_rows: storedRows,
  };
}
