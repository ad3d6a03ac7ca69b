/**
 * Proves that a capture's source and the lake have the same rows at one place of the source's log. The decoder, landing
 * and the current state are not trusted: the source sums up its own rows in its own SQL, the lake those that its
 * changes leave.
 */
import type { Capture, CaptureState } from "../../../core/capture.ts";
import type { Clock } from "../../../core/clock.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { EventType } from "../../../core/event-type.ts";
import { landedPartitions } from "../../../core/landed.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { DatabaseSnapshot } from "../../../core/ports/snapshot.ts";
import type { OpenSource, SourceDatabase } from "../../../core/ports/source-database.ts";
import {
  NAMED_DEFAULT,
  NAMED_MAX,
  type Progress,
  type ReconcileRequest,
  type Reconciliation,
  type TableReport,
} from "../../../core/reconciliation.ts";
import type { Registry } from "../../../core/registry.ts";
import type { Catalog } from "../../../lake/catalog.ts";
import type { QueryService } from "../../../lake/query/service.ts";
import { compareTable } from "./compare.ts";
import { placeColumns } from "./lake-columns.ts";
import { lakeRows } from "./lake-rows.ts";

const POLL_MS = 100;
/** Rest of the source after each part of a table that was read, as a share of the time that it took. */
const REST_SHARE = 0.25;

export interface ReconcilePorts {
  readonly registry: Registry;
  readonly log: Log;
  readonly catalog: Catalog;
  readonly query: Pick<QueryService, "rows">;
  readonly clock: Clock;
  readonly openSource: OpenSource;
}

/**
 * @throws reconciliation.impossible, reconciliation.behind, source.*, sql.*; what the signal was aborted with
 */
export async function reconcile(
  ports: ReconcilePorts,
  request: ReconcileRequest,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<Reconciliation> {
  await ports.registry.refresh();
  const { capture, state } = declaredOf(ports.registry, request.capture);
  const tables = tablesOf(capture, state, request.tables);
  const startMs = ports.clock.nowMs();
  const source = await ports.openSource(capture.database);
  const snapshot = await source.snapshot({ waitMs: request.waitMs, restShare: REST_SHARE });
  try {
    onProgress({ at: "snapshot", lsn: String(snapshot.lsn) });
    const untilMs = ports.clock.monotonicMs() + request.waitMs;
    const wait = (isThere: () => Promise<boolean>, what: string): Promise<void> =>
      waitFor(ports.clock, untilMs, isThere, what, signal);
    await wait(
      () => isCaptured(ports, { capture, state }, source, snapshot.lsn),
      `The capture "${capture.name}" has not come to the snapshot's place`,
    );
    onProgress({ at: "captured" });
    const reports: TableReport[] = [];
    for (const table of tables) {
      onProgress({ at: "table", table: table.name });
      const report = await compareOne(ports, { capture, state, snapshot, table, wait }, request, signal);
      onProgress({ at: "compared", report });
      reports.push(report);
    }
    return {
      capture: capture.name,
      shard: capture.shard,
      incarnation: state.incarnation,
      lsn: String(snapshot.lsn),
      isEqual: reports.every((report) => report.isEqual),
      startMs,
      endMs: ports.clock.nowMs(),
      tables: reports,
    };
  } finally {
    await snapshot.close();
  }
}

interface Declared {
  readonly capture: Capture;
  readonly state: CaptureState;
}

interface Chosen {
  readonly name: string;
  readonly eventType: string;
  readonly partition: number;
  readonly completeAt: string | null;
}

function declaredOf(registry: Registry, name: string): Declared {
  const capture = registry.get<Capture>("capture", name)?.value;
  const state = registry.get<CaptureState>("capture-state", name)?.value;
  if (!capture) throw impossible(`There is no capture "${name}".`);
  if (!state || state.captureId !== capture.id || state.phase === "preparing")
    throw impossible(`The capture "${name}" has not begun.`);
  return { capture, state };
}

function tablesOf(capture: Capture, state: CaptureState, wanted?: readonly string[]): readonly Chosen[] {
  const names = wanted ?? Object.keys(state.tables);
  return names.map((name): Chosen => {
    const table = state.tables[name];
    if (!table) throw impossible(`The capture "${capture.name}" has no table ${name}.`);
    if (capture.copy === "none")
      throw impossible(
        `What ${name} had before it was captured is not in the lake: the capture copies nothing.`,
      );
    if (table.copy !== "done" && table.copy !== "none")
      throw impossible(`The copy of ${name} is not whole yet: ${table.copy}, ${table.copiedRows} rows.`);
    const { eventType, partition, completeAt } = table;
    return { name, eventType, partition, completeAt };
  });
}

/** Whether everything up to the place is durable in the log, as the source itself was told. */
async function isCaptured(
  { registry }: ReconcilePorts,
  { capture, state }: Declared,
  source: SourceDatabase,
  lsn: bigint,
): Promise<boolean> {
  await registry.refresh();
  const now = declaredOf(registry, capture.name);
  if (now.capture.id !== capture.id || now.state.incarnation !== state.incarnation)
    throw impossible(`The capture "${capture.name}" was begun anew meanwhile.`);
  if (now.state.phase === "stopped")
    throw impossible(`The capture "${capture.name}" has stopped: ${now.state.problem ?? "no reason given"}`);
  const slot = await source.slot(state.slot);
  if (!slot) throw impossible(`The slot ${state.slot} of "${capture.name}" is gone.`);
  return slot.confirmedLsn !== null && slot.confirmedLsn >= lsn;
}

interface OneTable extends Declared {
  readonly snapshot: DatabaseSnapshot;
  readonly table: Chosen;
  readonly wait: (isThere: () => Promise<boolean>, what: string) => Promise<void>;
}

async function compareOne(
  ports: ReconcilePorts,
  { capture, state, snapshot, table, wait }: OneTable,
  { named = NAMED_DEFAULT }: ReconcileRequest,
  signal: AbortSignal,
): Promise<TableReport> {
  const { endOffset } = await ports.log.bounds(table.eventType, table.partition);
  const info = await ports.log.stream(table.eventType);
  await wait(async () => {
    if (endOffset === 0) return true;
    const { txns } = await ports.catalog.snapshot(table.eventType);
    const partitions = landedPartitions(txns).filter(({ topicId }) => topicId === info?.topicId);
    return (partitions.find(({ partition }) => partition === table.partition)?.cursor ?? 0) >= endOffset;
  }, `What was captured of ${table.name} has not landed`);
  await ports.registry.refresh();
  const type = ports.registry.get<EventType>("event-type", table.eventType.toLowerCase())?.value;
  if (!type) throw impossible(`The event type "${table.eventType}" is gone.`);
  if (BigInt(table.completeAt ?? 0) > snapshot.lsn)
    throw impossible(`The copy of ${table.name} ends behind the snapshot: try again.`);
  const [schema, name] = table.name.split(/\.(.*)/s);
  const source = await snapshot.table(schema!, name!);
  const lake = await lakeRows(
    {
      query: ports.query,
      eventType: type.name,
      shard: capture.shard,
      incarnation: state.incarnation,
      lsn: snapshot.lsn,
      columns: placeColumns(type, source.columns),
      key: source.key,
    },
    signal,
  );
  const comparison = await compareTable(source, lake, Math.min(named, NAMED_MAX), signal);
  return { table: table.name, eventType: type.name, ...comparison };
}

async function waitFor(
  clock: Clock,
  untilMs: number,
  isThere: () => Promise<boolean>,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  while (!(await isThere())) {
    signal.throwIfAborted();
    if (clock.monotonicMs() >= untilMs) throw new MuaraError("reconciliation.behind", `${what}.`);
    await clock.sleep(POLL_MS, signal);
  }
  signal.throwIfAborted();
}

function impossible(message: string): MuaraError {
  return new MuaraError("reconciliation.impossible", message);
}
