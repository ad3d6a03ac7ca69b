/**
 * The copy of what is there when a slot is made, as of its snapshot; tables with too many rows for that are copied in
 * chunks beside the stream (copy-run.ts). A copy that breaks off cannot go on, since its snapshot is gone: the capture
 * begins anew.
 */
import type { Capture, CapturedTable, CaptureState } from "../../core/capture.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ChunkCopy, CopyTable, SnapshotCopy } from "../../core/ports/source-copy.ts";
import type { BindRelation } from "../../core/ports/source.ts";
import type { SourceDatabase } from "../../core/ports/source-database.ts";
import { appendAtLast, type AppendPorts } from "../ingest/append-at-last.ts";
import type { Begun } from "./prepare.ts";
import type { StateKeeper } from "./state-keeper.ts";

const SAVE_MS = 1_000;

export interface CopyOptions {
  readonly batchBytes: number;
  /** Tables that have more rows are copied in chunks. */
  readonly copyOnceRows: number;
}

export interface CopyPorts extends AppendPorts {
  readonly database: SourceDatabase;
  readonly keeper: StateKeeper;
  readonly clock: Clock;
}

/** @param begun the slot's snapshot is the caller's to release @throws source.*, log.*, declaration.conflict */
export async function copyTables(
  ports: CopyPorts,
  options: CopyOptions,
  capture: Capture,
  { state, slot, tables }: Begun,
  bind: BindRelation,
  signal: AbortSignal,
): Promise<CaptureState> {
  const { database, keeper } = ports;
  await keeper.save({ ...state, phase: "copying" });
  const names = Object.keys(state.tables).filter((name) => state.tables[name]!.copy === "waiting");
  const inChunks = names.filter((name) => {
    const { rows, key } = tables.get(name)!;
    return rows > options.copyOnceRows && key.length > 0;
  });
  const tableOf = (name: string): CopyTable => {
    const { schema, name: table } = tables.get(name)!;
    return { schema, name: table, shard: capture.shard, incarnation: state.incarnation, bind };
  };
  const copy = database.copy();
  if (inChunks.length > 0) {
    const chunks = await copy.inChunks();
    try {
      for (const name of inChunks)
        await emptied(ports, chunks, tableOf(name), state.tables[name]!, slot.lsn, signal);
    } finally {
      await chunks.close();
    }
  }
  const atOnce = names.filter((name) => !inChunks.includes(name));
  if (atOnce.length > 0) {
    const snapshot = await copy.inSnapshot(slot.snapshot);
    try {
      for (const name of atOnce) {
        const request = { at: slot.lsn, batchBytes: options.batchBytes };
        await copyOne(ports, snapshot, name, tableOf(name), request, signal);
      }
    } finally {
      await snapshot.close();
    }
  }
  return keeper.update((now) => ({ ...now, phase: "streaming", lsn: String(slot.lsn) }));
}

async function copyOne(
  ports: CopyPorts,
  snapshot: SnapshotCopy,
  name: string,
  table: CopyTable,
  request: { readonly at: bigint; readonly batchBytes: number },
  signal: AbortSignal,
): Promise<void> {
  const { keeper, clock, log } = ports;
  const { eventType, partition } = keeper.state!.tables[name]!;
  const isAgain = await hasRecords(log, eventType, partition);
  let copiedRows = 0;
  let savedMs = -Infinity;
  for await (const part of snapshot.rows(table, { ...request, isAgain })) {
    await appendAtLast(ports, part.stream, part.partition, part.records, signal);
    copiedRows += part.records.count;
    if (clock.monotonicMs() - savedMs < SAVE_MS) continue;
    savedMs = clock.monotonicMs();
    await saveTable(keeper, name, { copy: "copying", copiedRows });
  }
  await saveTable(keeper, name, { copy: "done", copiedRows, completeAt: String(request.at) });
}

/** Rows of an earlier slot are forgotten before the first chunk. */
async function emptied(
  ports: CopyPorts,
  chunks: ChunkCopy,
  table: CopyTable,
  { eventType, partition }: CapturedTable,
  at: bigint,
  signal: AbortSignal,
): Promise<void> {
  if (!(await hasRecords(ports.log, eventType, partition))) return;
  const part = await chunks.emptied(table, at);
  if (part) await appendAtLast(ports, part.stream, part.partition, part.records, signal);
}

/** Another shard's among them: a truncate is of one shard, and one too many does no harm. */
async function hasRecords(log: Log, stream: string, partition: number): Promise<boolean> {
  return (await log.bounds(stream, partition)).endOffset > 0;
}

async function saveTable(keeper: StateKeeper, name: string, change: Partial<CapturedTable>): Promise<void> {
  await keeper.update((state) => ({
    ...state,
    tables: { ...state.tables, [name]: { ...state.tables[name]!, ...change } },
  }));
}
