/**
 * The copy of what is there when a slot is made, as of its snapshot; tables with too many rows for that are copied in
 * chunks beside the stream (copy-run.ts). A copy that breaks off cannot go on, since its snapshot is gone: the capture
 * begins anew.
 */
import type { Capture, CapturedTable, CaptureState } from "../../core/capture.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ChunkCopy, CopyTable } from "../../core/ports/source-copy.ts";
import type { BindRelation, SourcePart } from "../../core/ports/source.ts";
import type { SourceDatabase } from "../../core/ports/source-database.ts";
import type { AppendPorts } from "../ingest/append-at-last.ts";
import { appendChanges } from "./append-changes.ts";
import { copyAtOnce, copyWay } from "./copy-at-once.ts";
import type { CopyRunTable } from "./copy-run.ts";
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
  const all = Object.entries(state.tables)
    .filter(([, { copy }]) => copy === "waiting")
    .map(([name, progress]): CopyRunTable => {
      const { schema, name: table } = tables.get(name)!;
      const { shard } = capture;
      return { name, progress, table: { schema, name: table, shard, incarnation: state.incarnation, bind } };
    });
  const wayOf = ({ name }: CopyRunTable): ReturnType<typeof copyWay> => {
    const { rows, key } = tables.get(name)!;
    return copyWay({ rows, hasKey: key.length > 0, hasSnapshot: true, onceRows: options.copyOnceRows });
  };
  const again = new Set<string>();
  for (const { name, progress } of all) if (await hasRecords(ports.log, progress)) again.add(name);
  const copy = database.copy();
  const inChunks = all.filter((one) => wayOf(one) === "chunks");
  if (inChunks.some(({ name }) => again.has(name))) {
    const chunks = await copy.inChunks();
    try {
      for (const { name, table } of inChunks)
        if (again.has(name)) await emptied(ports, chunks, table, slot.lsn, signal);
    } finally {
      await chunks.close();
    }
  }
  const atOnce = all.filter((one) => wayOf(one) === "once");
  if (atOnce.length > 0) {
    const snapshot = await copy.inSnapshot(slot.snapshot);
    try {
      const { batchBytes } = options;
      const append = counting(ports, atOnce, signal);
      const save = (name: string, progress: CapturedTable): Promise<void> =>
        saveTable(keeper, name, progress);
      const request = { snapshot, at: slot.lsn, again, tables: atOnce, batchBytes, append, save, signal };
      for (const name of await copyAtOnce(request)) {
        if (tables.get(name)!.key.length === 0)
          throw new MuaraError(
            "source.unavailable",
            `${name} was rewritten while it was copied; it begins anew`,
          );
        await saveTable(keeper, name, { copy: "waiting", copiedRows: 0 });
      }
    } finally {
      await snapshot.close();
    }
  }
  return keeper.update((now) => ({ ...now, phase: "streaming", lsn: String(slot.lsn) }));
}

/** Appends, and tells every now and then how many rows there are. */
function counting(
  { keeper, clock, ...ports }: CopyPorts,
  tables: readonly CopyRunTable[],
  signal: AbortSignal,
): (part: SourcePart) => Promise<void> {
  const counts = new Map<string, number>();
  let savedMs = clock.monotonicMs();
  return async ({ stream, partition, records }) => {
    await appendChanges({ ...ports, clock }, stream, partition, records, signal);
    const { name } = tables.find(({ progress }) => progress.eventType === stream)!;
    const copiedRows = (counts.get(name) ?? 0) + records.count;
    counts.set(name, copiedRows);
    if (clock.monotonicMs() - savedMs < SAVE_MS) return;
    savedMs = clock.monotonicMs();
    await saveTable(keeper, name, { copiedRows });
  };
}

/** Rows of an earlier slot are forgotten before the first chunk. */
async function emptied(
  ports: CopyPorts,
  chunks: ChunkCopy,
  table: CopyTable,
  at: bigint,
  signal: AbortSignal,
): Promise<void> {
  const part = await chunks.emptied(table, at);
  if (part) await appendChanges(ports, part.stream, part.partition, part.records, signal);
}

/** Another shard's among them: a truncate is of one shard, and one too many does no harm. */
async function hasRecords(log: Log, { eventType, partition }: CapturedTable): Promise<boolean> {
  return (await log.bounds(eventType, partition)).endOffset > 0;
}

async function saveTable(keeper: StateKeeper, name: string, change: Partial<CapturedTable>): Promise<void> {
  await keeper.update((state) => ({
    ...state,
    tables: { ...state.tables, [name]: { ...state.tables[name]!, ...change } },
  }));
}
