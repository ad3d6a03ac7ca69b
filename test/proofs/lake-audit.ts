/**
 * Holds a lake in a folder, into which many processes landed, against the numbers that went into their log: with SQL of
 * a plain DuckDB over the files that a version names, with our own verification, and version by version with readers
 * that know nothing of us.
 */
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { createFileObjectStore } from "../../adapters/file/object-store.ts";
import { systemClock, systemRandomness } from "../../core/clock.ts";
import { landedPartitions } from "../../core/landed.ts";
import { silentLogger } from "../../core/logger.ts";
import type { TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { verifyTable } from "../../lake/verify-table.ts";
import { runPython } from "../services/python.ts";
import type { FilledType } from "./filled-log.ts";

const READERS_MS_MAX = 3_600_000;

/** Rows of each version by each reader; a version that a reader cannot read is an error text instead. */
const READERS = `
import sys, json, glob, importlib.util, os
import duckdb, polars as pl
from deltalake import DeltaTable
path, first, last, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
folder = os.path.dirname(importlib.util.find_spec("duckdb_extension_delta").origin)
con = duckdb.connect()
con.load_extension(glob.glob(folder + "/extensions/*/delta.duckdb_extension")[0])
def delta_rs(v):
    actions = DeltaTable(path, version=v).get_add_actions(flatten=True)
    return sum(actions["num_records"].to_pylist())
readers = {
  "delta_rs": delta_rs,
  "polars": lambda v: pl.scan_delta(path, version=v).select(pl.len()).collect().item(),
  "duckdb": lambda v: con.sql(f"SELECT count(*) FROM delta_scan('{path}', version => {v})").fetchone()[0],
}
def asked(read, v):
    try: return read(v)
    except Exception as e: return type(e).__name__ + ": " + str(e)[:300]
versions = sorted(set(range(first, last + 1, each)) | {last})
print(json.dumps({name: [[v, asked(read, v)] for v in versions] for name, read in readers.items()}))
`;

export interface Audit {
  readonly events: number;
  readonly resends: number;
  readonly versions: number;
  /** Versions that only replaced files. */
  readonly compactions: number;
  readonly files: number;
  /** Versions that each foreign reader read. */
  readonly foreignReads: number;
}

interface Opened {
  readonly log: TableLog;
  readonly snapshot: TableSnapshot;
}

const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };

async function open(folder: string, table: string): Promise<Opened> {
  const log = openTableLog(createFileObjectStore({ root: folder }), table, services);
  return { log, snapshot: await log.snapshot() };
}

/** Records of the log that are not in the lake yet. */
export async function cursorsLeft(folder: string, filled: readonly FilledType[]): Promise<number> {
  let left = 0;
  for (const { name, events, resends } of filled) {
    const { snapshot } = await open(folder, name);
    const landed = landedPartitions(snapshot.txns).reduce((sum, { cursor }) => sum + cursor, 0);
    left += events + resends - landed;
  }
  return left;
}

/**
 * @param each foreign readers are asked for every so many-th version, and for the last
 * @throws Error naming what is wrong
 */
export async function auditLake(folder: string, filled: readonly FilledType[], each = 1): Promise<Audit> {
  const audits: Audit[] = [];
  for (const type of filled) audits.push(await auditTable(folder, type, each));
  const sum = (of: keyof Audit): number => audits.reduce((total, audit) => total + audit[of], 0);
  return {
    events: sum("events"),
    resends: sum("resends"),
    versions: sum("versions"),
    compactions: sum("compactions"),
    files: sum("files"),
    foreignReads: sum("foreignReads"),
  };
}

/** Each number once, counters that agree, nothing that our own verification finds. @returns the newest version */
export async function auditRows(folder: string, { name, events, resends }: FilledType): Promise<Opened> {
  const { log, snapshot } = await open(folder, name);
  const partitions = landedPartitions(snapshot.txns);
  const total = (of: "landed" | "duplicates" | "dead"): number =>
    partitions.reduce((sum, partition) => sum + partition[of], 0);
  equal(`${name}: landed`, total("landed"), events);
  equal(`${name}: duplicates`, total("duplicates"), resends);
  equal(`${name}: dead letters`, total("dead"), 0);
  const rows = await numbersOf(folder, name, snapshot);
  equal(`${name}: rows, numbers, last, ids`, rows.join(), [events, events, events - 1, events].join());
  const store = createFileObjectStore({ root: folder });
  const { signal } = new AbortController();
  const verified = await verifyTable(store, systemClock, name, snapshot, { isDeep: true, signal });
  equal(`${name}: faults`, verified.faults.map(({ problem }) => problem).join(), "");
  return { log, snapshot };
}

async function auditTable(
  folder: string,
  { name, events, resends }: FilledType,
  each: number,
): Promise<Audit> {
  const { log, snapshot } = await auditRows(folder, { name, events, resends });
  const counts = await countsOf(log, snapshot);
  const foreignReads = await compareReaders(join(folder, name), counts, each);
  return {
    events,
    resends,
    versions: snapshot.version + 1,
    compactions: counts.compactions,
    files: snapshot.files.size,
    foreignReads,
  };
}

/** Rows, different numbers, the highest, different ids: by an engine that is given the files and nothing else. */
async function numbersOf(
  folder: string,
  table: string,
  { files }: TableSnapshot,
): Promise<readonly number[]> {
  const instance = await DuckDBInstance.create(":memory:");
  try {
    const connection = await instance.connect();
    const paths = [...files.keys()].map((path) => `'${join(folder, table, path)}'`).join();
    const read = `read_parquet([${paths}], hive_partitioning = false)`;
    const reader = await connection.runAndReadAll(
      `SELECT count(*), count(DISTINCT n), max(n), count(DISTINCT event_id) FROM ${read}`,
    );
    return reader.getRows()[0]!.map(Number);
  } finally {
    instance.closeSync();
  }
}

interface Counts {
  readonly first: number;
  /** [version − first] */
  readonly rows: readonly number[];
  readonly compactions: number;
}

/** Rows of every version that the log still has, by its statistics; a compaction must not change them. */
async function countsOf(log: TableLog, { version }: TableSnapshot): Promise<Counts> {
  const rows: number[] = [];
  let first = 0;
  let compactions = 0;
  for (let v = 0; v <= version; v++) {
    const snapshot = await log.snapshot({ version: v }).catch(() => undefined);
    if (!snapshot) {
      if (rows.length > 0) throw new Error(`version ${v} cannot be read, though ${v - 1} can`);
      first = v + 1;
      continue;
    }
    const count = [...snapshot.files.values()].reduce((sum, { stats }) => sum + rowsOf(stats), 0);
    const commit = rows.length > 0 ? await log.read(v) : undefined;
    if (commit && commit.remove.length > 0) {
      compactions++;
      equal(`rows after the compaction ${v}`, count, rows.at(-1)!);
    }
    rows.push(count);
  }
  return { first, rows, compactions };
}

function rowsOf(stats: string | undefined): number {
  return (JSON.parse(stats!) as { numRecords: number }).numRecords;
}

/** @returns versions that every reader read */
async function compareReaders(path: string, { first, rows }: Counts, each: number): Promise<number> {
  // The very first version is a table without rows and files.
  const from = Math.max(first, 1);
  const last = first + rows.length - 1;
  const args = [path, String(from), String(last), String(each)];
  const told = await runPython(READERS, args, { timeoutMs: READERS_MS_MAX });
  const readers = told as Record<string, readonly (readonly [number, number | string])[]>;
  for (const [reader, counted] of Object.entries(readers))
    for (const [version, count] of counted)
      equal(`${path}: rows of version ${version} by ${reader}`, count, rows[version - first]!);
  return readers["delta_rs"]!.length;
}

function equal(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)}, expected ${String(expected)}`);
}
