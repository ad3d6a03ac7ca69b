/**
 * Books, dead letters and duplicates of seeded histories, written by two projectors that race, lose answers and
 * crash: every line of the ledger and every side row once, bytes and verdicts as the records really were.
 */
import { expect, test } from "vitest";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import { seededRandomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { payloadOf } from "../../core/record.ts";
import { Registry } from "../../core/registry.ts";
import { BOOKS_COLUMNS, DEAD_LETTERS_COLUMNS, DUPLICATES_COLUMNS } from "../../lake/ledger-tables.ts";
import { readRows } from "../../lake/parquet/rows.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { createProjector, type Projector } from "../../workers/land/projector.ts";
import { below } from "./landing-events.ts";
import { type History, noCounts, runLandingHistory } from "./landing-history.ts";
import type { ModelRecord } from "./landing-model.ts";
import { Crash, type LandingWorld, type Owner } from "./landing-world.ts";

const HISTORIES = 30;
const never = new AbortController().signal;
type Row = Record<string, unknown>;

async function registryOf(world: LandingWorld): Promise<Registry> {
  const log = createMemoryLog({ clock: world.clock, randomness: seededRandomness(1) });
  const registry = await Registry.open(log, "test", world.clock);
  await registry.put("event-type", world.type.name, 0, world.type);
  return registry;
}

/** Passes under faults. Whatever goes wrong, the next one is a projector that knows nothing. */
async function struggle(world: LandingWorld, owner: Owner, registry: Registry): Promise<void> {
  let projector: Projector | undefined;
  for (let passes = 0; passes < 6; passes++) {
    owner.callsLeft = world.random.fraction() < 0.4 ? 1 + below(world.random, 60) : Infinity;
    projector ??= createProjector({ ...owner.ports, registry });
    try {
      await projector.pass(never);
    } catch (error) {
      if (!(error instanceof Crash) && !(error instanceof MuaraError && error.retryable)) throw error;
      if (error instanceof Crash) projector = undefined;
      world.drop(owner);
    }
  }
}

async function rowsOf(
  world: LandingWorld,
  table: string,
  columns: Parameters<typeof readRows>[1],
): Promise<Row[]> {
  const services = { ...world.owners[0]!.ports, clock: world.clock };
  const { files } = await openTableLog(world.store, table, services).snapshot();
  const rows: Row[] = [];
  for (const { path } of files.values())
    rows.push(...(await readRows((await world.store.get(`${table}/${path}`))!, columns)));
  return rows;
}

function placeOf({ partition, offset }: ModelRecord): string {
  return `${partition}/${offset}`;
}

/** What a duplicate must say of the row nearest to it. Undefined where two rows are equally near. */
async function verdictOf({ world, audit }: History, record: ModelRecord): Promise<string | undefined> {
  const rows = [...audit.files.values()].flat().flatMap((row) => {
    const landed = world.model.records[Number(row["log_partition"])]?.get(Number(row["log_offset"]));
    return landed && landed.id === record.id ? [landed] : [];
  });
  const distance = (one: ModelRecord): number => Math.abs(one.ingestMs - record.ingestMs);
  const near = rows.toSorted((a, b) => distance(a) - distance(b));
  if (near.length === 0) return "unknown";
  if (near.length > 1 && distance(near[0]!) === distance(near[1]!)) return undefined;
  const { partition, offset, payload } = near[0]!;
  try {
    const batch = await world.log.read(world.type.name, partition, offset, 1);
    if (batch.count === 0 || batch.offsets[0] !== offset || !payloadOf(batch, 0)) return "unknown";
  } catch {
    return "unknown"; // retention was there
  }
  return Buffer.compare(payload!, record.payload!) === 0 ? "identical" : "different";
}

async function checkSides(history: History): Promise<{ dead: number; duplicates: number }> {
  const { world, audit } = history;
  const dead = await rowsOf(world, "dead_letters", DEAD_LETTERS_COLUMNS);
  expect(dead.map((row) => `${String(row["log_partition"])}/${String(row["log_offset"])}`).sort()).toEqual(
    audit.fates.dead.map(placeOf).sort(),
  );
  for (const row of dead) {
    const record = world.model.records[Number(row["log_partition"])]!.get(Number(row["log_offset"]))!;
    expect(Buffer.from(row["payload"] as Uint8Array)).toEqual(Buffer.from(record.payload ?? []));
    expect(row["ingest_time"]).toBe(BigInt(record.ingestMs) * 1_000n);
    expect(row["event_type"]).toBe(world.type.name);
  }
  const duplicates = await rowsOf(world, "duplicates", DUPLICATES_COLUMNS);
  const byPlace = new Map(audit.fates.duplicates.map((record) => [placeOf(record), record]));
  expect(duplicates.length).toBe(byPlace.size);
  for (const row of duplicates) {
    const record = byPlace.get(`${String(row["log_partition"])}/${String(row["log_offset"])}`)!;
    byPlace.delete(placeOf(record));
    expect(row["event_id"]).toBe(record.idText);
    const verdict = await verdictOf(history, record);
    expect([placeOf(record), row["verdict"]]).toEqual([placeOf(record), verdict ?? row["verdict"]]);
  }
  expect(byPlace.size).toBe(0);
  return { dead: dead.length, duplicates: duplicates.length };
}

function keyOf(...parts: readonly unknown[]): string {
  return parts.map(String).join("/");
}

async function checkBooks({ world, audit }: History): Promise<void> {
  const books = await rowsOf(world, "books", BOOKS_COLUMNS);
  const lines = new Map(audit.ledger.map((line) => [keyOf(line.partition, line.from, line.to), line]));
  expect(books.length).toBe(lines.size);
  for (const row of books) {
    const line = lines.get(keyOf(row["log_partition"], row["from_offset"], row["to_offset"]))!;
    for (const [column, name] of [
      ["landed", "landed"],
      ["duplicates", "duplicates"],
      ["dead_letters", "dead"],
      ["gap", "gap"],
    ] as const)
      expect([column, row[column]]).toEqual([column, BigInt(line[name])]);
    expect(row["ingest_hour"]).toBe(BigInt(line.hourMs) * 1_000n);
  }
}

test("the projections say what happened, once", { timeout: 120_000 }, async () => {
  const sums = { dead: 0, duplicates: 0 };
  for (let seed = 1; seed <= HISTORIES; seed++) {
    const history = await runLandingHistory(seed, noCounts());
    const { world } = history;
    const registry = await registryOf(world);
    try {
      world.faultRate = [0, 0.1, 0.3][seed % 3]!;
      await Promise.all(world.owners.map((owner) => struggle(world, owner, registry)));
      world.faultRate = 0;
      world.applyLate();
      for (const owner of world.owners) world.drop(owner);
      const projector = createProjector({ ...world.owners[0]!.ports, registry });
      while (await projector.pass(never));
      await checkBooks(history);
      const { dead, duplicates } = await checkSides(history);
      sums.dead += dead;
      sums.duplicates += duplicates;
    } catch (error) {
      throw new Error(`projections of seed ${seed} (${world.kind})`, { cause: error });
    }
  }
  expect(sums.dead).toBeGreaterThan(HISTORIES);
  expect(sums.duplicates).toBeGreaterThan(HISTORIES);
});
