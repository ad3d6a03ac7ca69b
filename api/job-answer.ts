/** How a job goes, as the API tells it. */
import {
  HISTORY_DONE,
  type Job,
  jobFromTxn,
  jobPosition,
  jobVersion,
  jobVersions,
  jobVersionTxn,
} from "../core/job.ts";
import { watermarkOf } from "../core/landed.ts";
import type { TableSnapshot } from "../core/ports/table-log.ts";
import { type ApiPorts, isoOrNull } from "./context.ts";
import { type JobNotes, readJobNotes, whereabouts } from "./job-notes.ts";
import { boundDeliveries } from "./job-sinks.ts";
import { shownDelivery } from "./routes/deliveries.ts";

const US_PER_MS = 1_000n;

export interface JobLag {
  /** Commits of the inputs that the results do not have; null: it has not begun. */
  readonly behindVersions: number | null;
  /** Of event time, between the inputs' lowest watermark and what is released; null where one of them is not there. */
  readonly behindMs: number | null;
  readonly releasedUs: bigint | undefined;
  readonly versions: Readonly<Record<string, number>> | null;
  readonly isLive: boolean;
}

/** @param output the output table's newest snapshot */
export async function lagOfJob(ports: ApiPorts, job: Job, output: TableSnapshot): Promise<JobLag> {
  const { inputs, id } = job;
  const snapshots = await Promise.all(
    inputs.map((table) => ports.catalog.snapshot(table).catch(() => undefined)),
  );
  const ids = snapshots.flatMap((snapshot) => snapshot?.metadata?.id ?? []);
  const position = ids.length === inputs.length ? jobPosition(output.txns, id, ids) : undefined;
  const watermarks = snapshots.map((snapshot) => snapshot && watermarkOf(snapshot.txns));
  const releasedUs = position?.releasedUs;
  const lowest = watermarks.includes(undefined) ? undefined : Math.min(...(watermarks as number[]));
  const isKnown = lowest !== undefined && releasedUs !== undefined;
  return {
    behindVersions: position
      ? snapshots.reduce((sum, snapshot, i) => sum + snapshot!.version - position.versions[ids[i]!]!, 0)
      : null,
    behindMs: isKnown ? Math.max(0, lowest - Number(releasedUs / US_PER_MS)) : null,
    releasedUs,
    versions: position
      ? Object.fromEntries(inputs.map((table, i) => [table, position.versions[ids[i]!]!]))
      : null,
    isLive: position?.historyUs === HISTORY_DONE,
  };
}

/**
 * @param hasTexts whether the texts that it had are told as well
 * @param notes of other processes, where several jobs are shown
 */
export async function shownJob(
  ports: ApiPorts,
  job: Job,
  hasTexts: boolean,
  notes?: JobNotes,
): Promise<Readonly<Record<string, unknown>>> {
  const { name, text, inputs, output, start, limits, by, createdMs, id } = job;
  const snapshot = await ports.catalog.snapshot(output);
  const { txns } = snapshot;
  const { behindVersions, behindMs, releasedUs, versions, isLive } = await lagOfJob(ports, job, snapshot);
  const running = txns.get(jobVersionTxn(id));
  const deliveries = boundDeliveries(ports, name).map(({ value }) => shownDelivery(ports, value));
  return {
    name,
    text,
    inputs,
    output,
    start,
    limits,
    by,
    created_at: isoOrNull(createdMs),
    version: jobVersion(job),
    /** The newest step is by its text. */
    running_version: running === undefined ? null : Number(running),
    text_versions: jobVersions(job).map((one) => ({
      version: one.version,
      by: one.by,
      declared_at: isoOrNull(one.atMs),
      counts_from: time(txns.get(jobFromTxn(id, one.version))),
      ...(hasTexts ? { text: one.text } : {}),
    })),
    ...whereabouts(ports, job, notes ?? (await readJobNotes(ports))),
    versions,
    behind_versions: behindVersions,
    behind_ms: behindMs,
    is_live: isLive,
    released_until: time(releasedUs),
    deliveries: await Promise.all(deliveries),
  };
}

/** @param us since 1970 UTC */
export function time(us: bigint | undefined): string | null {
  return isoOrNull(us === undefined ? null : Number(us / US_PER_MS));
}
