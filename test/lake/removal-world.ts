/** An event table in memory with rows that come and go, and eyes that look at it past the parts under test. */
import { planColumns } from "../../core/columns.ts";
import type { AddFile, TableLog } from "../../core/ports/table-log.ts";
import { checksumTags } from "../../lake/checksum.ts";
import { readColumns, readRows, writeRows } from "../../lake/parquet/rows.ts";
import type { RemoveRowsPorts } from "../../lake/remove-rows.ts";
import { addFile, dataFilePath } from "../../lake/table/add-file.ts";
import { type Verification, verifyTable } from "../../lake/verify-table.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";
import {
  declare,
  event,
  eventType,
  install,
  type Installation,
  never,
  OPTIONS,
  send,
} from "../workers/land/setup.ts";

export const TABLE = "order.created";
export const HORIZON = { horizonMs: OPTIONS.horizonMs, partitions: 1, signal: never };

export async function prepared(faults?: Parameters<typeof install>[0]): Promise<Installation> {
  const at = await install(faults);
  await declare(at, eventType());
  return at;
}

/** Lands events, one commit for each call. */
export async function land(at: Installation, numbers: readonly number[]): Promise<void> {
  const landing = await TableLanding.open(at.ports, OPTIONS, eventType());
  await send(
    at,
    numbers.map((n) => event(n)),
  );
  while ((await landing.step(never)).hasBacklog);
  landing.discard();
}

/** Lands events, one commit for each. */
export async function landEach(at: Installation, numbers: readonly number[]): Promise<void> {
  const landing = await TableLanding.open(at.ports, OPTIONS, eventType());
  for (const n of numbers) {
    await send(at, [event(n)]);
    await landing.step(never);
  }
  landing.discard();
}

/** The `n` of all live rows, sorted, with repetitions. */
export async function live(at: Installation, version?: number): Promise<readonly number[]> {
  const { files } = await at.openTable(TABLE).snapshot(version === undefined ? {} : { version });
  const found: number[] = [];
  for (const { path } of files.values()) {
    const { n } = await readColumns((await at.store.get(`${TABLE}/${path}`))!, ["n"]);
    found.push(...n!.map(Number));
  }
  return found.sort((a, b) => a - b);
}

/** What a compactor does: some files become one, no row changes. @returns the path of that one */
export async function compact(at: Installation, files: readonly AddFile[]): Promise<string> {
  const log = at.openTable(TABLE);
  const base = await log.snapshot();
  const { columns } = planColumns(eventType());
  const rows: object[] = [];
  for (const { path } of files)
    rows.push(...(await readRows((await at.store.get(`${TABLE}/${path}`))!, columns)));
  const { bytes, stats } = writeRows(columns, rows);
  const { partitionValues } = files[0]!;
  const path = dataFilePath(partitionValues, at.randomness.uuid());
  await at.store.put(`${TABLE}/${path}`, bytes);
  const modifiedMs = at.clock.nowMs();
  const tags = checksumTags(bytes);
  const add = addFile({ path, partitionValues, bytes: bytes.length, modifiedMs, isDataChange: false, tags });
  await log.commit({
    base,
    change: {
      operation: "OPTIMIZE",
      add: [{ ...add, stats }],
      remove: files.map((file) => ({
        path: file.path,
        deletionTimestamp: modifiedMs,
        dataChange: false,
      })),
      txns: [],
      info: { kind: "compact" },
    },
    check: () => "rebase",
  });
  return path;
}

/** Live files, the oldest first. */
export async function filesOf(at: Installation): Promise<AddFile[]> {
  const { files } = await at.openTable(TABLE).snapshot();
  return [...files.values()].sort((a, b) => a.modificationTime - b.modificationTime);
}

export async function verified(at: Installation): Promise<Verification> {
  const snapshot = await at.openTable(TABLE).snapshot();
  return verifyTable(at.store, at.clock, TABLE, snapshot, { isDeep: true, signal: never });
}

/** Ports with which something happens before a table's next commit, once. */
export function disturbed(at: Installation, before: () => Promise<unknown>): RemoveRowsPorts {
  let isDone = false;
  const openTable = (name: string): TableLog => {
    const log = at.openTable(name);
    const commit: TableLog["commit"] = async (request) => {
      if (!isDone) {
        isDone = true;
        await before();
      }
      return log.commit(request);
    };
    return { snapshot: (from) => log.snapshot(from), read: (version) => log.read(version), commit };
  };
  return { ...at.ports, openTable };
}
