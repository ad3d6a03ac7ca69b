/**
 * A capture's things at its source and here, before the first change: event types, publications, the slot. In this
 * order, because a slot tells only of publications that are older than what it tells.
 *
 * Whoever begins holds a claim at the source, so that of several processes one makes the slot; later the slot itself
 * lets one of them read. A beginning that was broken off is none: its slot goes, and the next one has another number.
 */
import type { Capture, CapturedTable, CaptureState } from "../../core/capture.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type {
  CreatedSlot,
  SourceDatabase,
  SourceServer,
  SourceTable,
} from "../../core/ports/source-database.ts";
import { hasIdentity, takeAway } from "../../core/capture-source.ts";
import type { DeclarePorts } from "../ingest/declaration.ts";
import { discontinuity } from "./continuity.ts";
import { ensureCapturedType, ensurePartitions } from "./event-types.ts";
import { nextIncarnation } from "./incarnation.ts";
import {
  eventTypeNames,
  insertsPublicationName,
  publicationName,
  slotName,
} from "../../core/capture-names.ts";
import { missedTables } from "./missed.ts";
import type { StateKeeper } from "./state-keeper.ts";

/** Shards of one event type share its partitions from then on. */
const PARTITIONS_MAX = 8;

export interface PreparePorts extends DeclarePorts {
  readonly database: SourceDatabase;
  readonly keeper: StateKeeper;
  readonly logger: Logger;
}

export interface Begun {
  readonly state: CaptureState;
  readonly slot: CreatedSlot;
  readonly tables: ReadonlyMap<string, SourceTable>;
}

/** Whether there is something to go on with. */
export function hasBegun(capture: Capture, state: CaptureState | undefined): state is CaptureState {
  return state?.captureId === capture.id && state.phase !== "preparing" && state.phase !== "copying";
}

/** Sees to it that what follows is what is missing here. @throws capture.stopped, source.* */
export async function goOn(
  ports: PreparePorts,
  capture: Capture,
  state: CaptureState,
): Promise<CaptureState> {
  const { database, keeper, logger } = ports;
  const server = await database.server();
  const slot = await database.slot(state.slot);
  const problem = discontinuity(capture.name, state, server, slot);
  if (problem !== undefined)
    throw new MuaraError("capture.stopped", problem, { details: { capture: capture.name } });
  if (slot?.isActive) throw busy(capture);
  const tables = await presentTables(database, capture);
  const missed = await missedTables(database, capture, state, tables);
  let present = state;
  if (Object.keys(missed).length > 0) {
    logger.error("changes of captured tables may be missing", { capture: capture.name, missed });
    // Before the publication is put right: then nobody could tell any more.
    present = await keeper.save({ ...state, missed: { ...state.missed, ...missed } });
  }
  await declareTypes(ports, capture, present.tables, tables);
  await publish(database, capture, tables, false);
  return keeper.save({ ...present, phase: "streaming", problem: null });
}

/** Makes the slot. Its snapshot is the caller's to release. @throws capture.*, source.*, event_type.* */
export async function begin(ports: PreparePorts, capture: Capture): Promise<Begun> {
  const { database, keeper, registry, clock } = ports;
  const former = keeper.state;
  const server = await database.server();
  const tables = await presentTables(database, capture);
  const missing = [...captured(capture)].filter((name) => !tables.has(name));
  if (missing.length > 0)
    throw new MuaraError(
      "capture.stopped",
      `there is no table ${missing.join(", ")} in ${database.place}. Make the table, and: ` +
        `\`muara capture recopy ${capture.name}\`. Or remove the capture, and add it without the table.`,
    );
  await takeAway(database, former, former?.publication === publicationName(capture));
  const planned = planTables(ports, capture, former);
  await declareTypes(ports, capture, planned, tables);
  await publish(database, capture, tables, true);
  const incarnation = await nextIncarnation(registry);
  const name = slotName(capture, incarnation);
  const state = await keeper.save(firstState(capture, incarnation, name, server, planned, clock.nowMs()));
  const slot = await database.createSlot(name);
  return { state: { ...state, lsn: String(slot.lsn) }, slot, tables };
}

export function busy({ name }: Capture): MuaraError {
  return new MuaraError("source.busy", `Another process has the capture "${name}".`);
}

function captured(capture: Capture): ReadonlySet<string> {
  return new Set([...eventTypeNames(capture).keys(), ...(capture.outbox ? [capture.outbox.table] : [])]);
}

export async function presentTables(
  database: SourceDatabase,
  capture: Capture,
): Promise<ReadonlyMap<string, SourceTable>> {
  return database.tables([...captured(capture)]);
}

/**
 * Surprising rule: the publication of inserts is made before the slot, be it an empty one. A slot that is read by a
 * publication which is younger than what it tells ends with an error, for ever.
 */
async function publish(
  database: SourceDatabase,
  capture: Capture,
  tables: ReadonlyMap<string, SourceTable>,
  isBeginning: boolean,
): Promise<void> {
  const names = [...tables.keys()].toSorted();
  const whole = names.filter((name) => hasIdentity(tables.get(name)!) && name !== capture.outbox?.table);
  await database.publish(publicationName(capture), whole);
  const others = names.filter((name) => !whole.includes(name));
  const inserts = insertsPublicationName(capture);
  const isThere = (await database.published(inserts)) !== undefined;
  if (!isThere && !isBeginning) return;
  try {
    await database.publish(inserts, others, "inserts");
  } catch (error) {
    // Whoever may not make one, because the owner has made the other, needs none as long as it would be empty.
    if (isThere || others.length > 0 || !hasCode(error, "source.refused")) throw error;
  }
}

/** Those that the slot is to tell of. */
export async function publicationsOf(database: SourceDatabase, capture: Capture): Promise<readonly string[]> {
  const inserts = insertsPublicationName(capture);
  const isThere = (await database.published(inserts)) !== undefined;
  return [publicationName(capture), ...(isThere ? [inserts] : [])];
}

/** The number of a shard is how many others feed the same event type; it stays for as long as the capture is known. */
function planTables(
  { registry }: PreparePorts,
  capture: Capture,
  former: CaptureState | undefined,
): Record<string, CapturedTable> {
  const others = registry
    .list<CaptureState>("capture-state")
    .filter(({ name }) => name !== capture.name)
    .map(({ value }) => value!);
  return Object.fromEntries(
    [...eventTypeNames(capture)].map(([table, eventType]): [string, CapturedTable] => {
      const before = former?.tables[table];
      const known = before?.eventType === eventType ? before.partition : undefined;
      const again = capture.again?.[table];
      const number = others.filter(({ tables }) =>
        Object.values(tables).some((one) => one.eventType === eventType),
      ).length;
      return [
        table,
        {
          eventType,
          partition: known ?? number % PARTITIONS_MAX,
          copy: capture.copy === "initial" ? "waiting" : "none",
          copiedTo: null,
          copiedRows: 0,
          completeAt: null,
          ...(again === undefined ? {} : { again }),
        },
      ];
    }),
  );
}

async function declareTypes(
  ports: PreparePorts,
  capture: Capture,
  planned: CaptureState["tables"],
  tables: ReadonlyMap<string, SourceTable>,
): Promise<void> {
  for (const [table, { eventType, partition }] of Object.entries(planned)) {
    const columns = (tables.get(table)?.columns ?? []).filter(({ isGenerated }) => !isGenerated);
    const { by, owning_application: owningApplication } = capture;
    await ensureCapturedType(ports, { eventType, table, columns, owningApplication, by });
    await ensurePartitions(ports, eventType, partition + 1, by);
  }
}

/** Of a capture that has nothing at its source yet. */
export function blankState(capture: Capture): Omit<CaptureState, "atMs"> {
  return {
    captureId: capture.id,
    database: capture.database,
    incarnation: 0,
    slot: "",
    publication: publicationName(capture),
    systemId: "",
    timeline: 0,
    lsn: "0",
    sinceMs: 0,
    phase: "preparing",
    tables: {},
    problem: null,
  };
}

function firstState(
  capture: Capture,
  incarnation: number,
  slot: string,
  { systemId, timeline }: SourceServer,
  tables: CaptureState["tables"],
  sinceMs: number,
): Omit<CaptureState, "atMs"> {
  return { ...blankState(capture), incarnation, slot, systemId, timeline, tables, sinceMs };
}
