/**
 * Rolling a table back: a new version without the rows that landed between an older one and the command. A row landed
 * there if its place in the log lies between the cursors that the table had then and has now; so it does not matter
 * what compaction made of the files meanwhile, and no file of the older version need exist any more. What lands while
 * the command runs stays.
 *
 * The surprising rule: it takes away and never brings back. Rows that retention or an erasure removed since stay
 * removed, cursors and the watermark stay where they are, and the events whose rows go stay duplicates within the
 * horizon: what shall land again needs another id.
 */
import { MuaraError } from "../core/errors.ts";
import { landedPartitions, type LandedPartition } from "../core/landed.ts";
import type { AddFile, TableSnapshot } from "../core/ports/table-log.ts";
import { hasSecret } from "./id-key.ts";
import { rewriteWithout } from "./rewrite-without.ts";
import { FileEditor } from "./file-editor.ts";
import {
  countRows,
  removeRows,
  type Removed,
  type RemovedFile,
  type RemoveRowsPorts,
} from "./remove-rows.ts";

export interface RollBackRequest {
  /** A version, or the one that was the newest at a time (ms since 1970 UTC). */
  readonly to: { readonly version: number } | { readonly timeMs: number };
  /** As in `RowRemoval`. */
  readonly horizonMs: number;
  readonly partitions: number;
  readonly isDryRun?: boolean;
  readonly signal: AbortSignal;
}

export interface RolledBack extends Removed {
  /** The version rolled back to, and the newest one when it began. */
  readonly to: number;
  readonly from: number;
}

/** @throws table.version_not_found where it was cleaned up, table.unsupported, and what `removeRows` throws */
export async function rollBack(
  ports: RemoveRowsPorts,
  name: string,
  { to, ...rest }: RollBackRequest,
): Promise<RolledBack> {
  const log = ports.openTable(name);
  const [then, began] = [await log.snapshot(to), await log.snapshot()];
  if (then.version < 0 || !hasSecret(then))
    throw new MuaraError("table.unsupported", `${name} is not a table that events land in.`, {
      details: { table: name },
    });
  const ranges = rangesOf(cursorsOf(name, then), cursorsOf(name, began));
  const editor = new FileEditor(ports.rewriting ?? {}, rest.signal);
  try {
    const removed = await removeRows(ports, name, {
      ...rest,
      reason: "rollback",
      operation: "RESTORE",
      info: { to: then.version },
      plan: (now) => planOf(ports, name, editor, then, ranges, now, rest.isDryRun === true),
    });
    return { ...removed, to: then.version, from: began.version };
  } finally {
    await editor.close();
  }
}

async function planOf(
  ports: RemoveRowsPorts,
  name: string,
  editor: FileEditor,
  then: TableSnapshot,
  ranges: readonly Range[],
  now: TableSnapshot,
  isDryRun: boolean,
): Promise<RemovedFile[]> {
  if (then.metadata?.id !== now.metadata?.id)
    throw new MuaraError("table.unsupported", `${name} is another table than it was then.`, {
      details: { table: name },
    });
  const planned: RemovedFile[] = [];
  const newer = [...now.files.values()].filter(({ path }) => !then.files.has(path));
  for (const file of newer) {
    const whole = wholeFate(file, ranges);
    if (whole === "stays") continue;
    if (whole === "goes") {
      planned.push({ file, rest: null, rows: await countRows(ports, name, file) });
      continue;
    }
    const found = await rewriteWithout(ports, name, editor, now, file, landedIn(ranges), isDryRun);
    if (found.rowsUnknown > 0)
      throw new MuaraError("table.unsupported", `${file.path} has rows that did not come from the log.`, {
        details: { table: name, path: file.path, rows: found.rowsUnknown },
      });
    if (found.rows > 0) planned.push({ file, rest: found.rest, rows: found.rows });
  }
  return planned;
}

/** Next offset by partition. @throws table.unsupported where the table has rows from several logs */
function cursorsOf(name: string, { txns }: TableSnapshot): ReadonlyMap<number, number> {
  const landed = landedPartitions(txns);
  const origins = new Set(landed.map(({ logId, topicId }) => `${logId}:${topicId}`));
  if (origins.size > 1)
    throw new MuaraError("table.unsupported", `${name} was landed from several logs or streams.`, {
      details: { table: name, origins: [...origins] },
    });
  return new Map(landed.map(({ partition, cursor }: LandedPartition) => [partition, cursor]));
}

/** Offsets of a partition whose rows go: [from, to). */
interface Range {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

function rangesOf(then: ReadonlyMap<number, number>, now: ReadonlyMap<number, number>): Range[] {
  return [...now].map(([partition, to]) => ({ partition, from: then.get(partition) ?? 0, to }));
}

/** SQL for "landed in one of them"; NULL for rows that have no place in the log. */
function landedIn(ranges: readonly Range[]): string {
  const cases = ranges.map(
    ({ partition, from, to }) =>
      `WHEN log_partition = ${partition} THEN log_offset >= ${from} AND log_offset < ${to}`,
  );
  return `CASE WHEN log_partition < 0 THEN NULL ${cases.join(" ")} ELSE log_offset < 0 END`;
}

/** Where its statistics say it for all rows of a file; undefined where the file has to be read. */
function wholeFate({ stats }: AddFile, ranges: readonly Range[]): "stays" | "goes" | undefined {
  const { minValues: least = {}, maxValues: most = {} } = JSON.parse(stats ?? "{}") as Bounds;
  const partition = least.log_partition;
  const [first, last] = [least.log_offset, most.log_offset];
  if (partition === undefined || partition !== most.log_partition || partition < 0) return undefined;
  if (first === undefined || last === undefined) return undefined;
  const range = ranges.find((one) => one.partition === partition);
  if (!range || last < range.from || first >= range.to) return "stays";
  return first >= range.from && last < range.to ? "goes" : undefined;
}

interface Place {
  readonly log_partition?: number;
  readonly log_offset?: number;
}

interface Bounds {
  readonly minValues?: Place;
  readonly maxValues?: Place;
}
