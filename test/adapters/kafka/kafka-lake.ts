/** A lake in a folder that lands from a Kafka log, table by table, and plain DuckDB's view of it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { createFileObjectStore } from "../../../adapters/file/object-store.ts";
import { systemClock, systemRandomness } from "../../../core/clock.ts";
import type { EventType } from "../../../core/event-type.ts";
import { createKernel } from "../../../core/kernel.ts";
import { landedPartitions, type LandedPartition } from "../../../core/landed.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { never, OPTIONS } from "../../workers/land/setup.ts";

const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger } as const;
const wasm = new WebAssembly.Module(readFileSync(new URL("../../../core-as/kernel.wasm", import.meta.url)));

export type Row = Readonly<Record<string, unknown>>;

export class KafkaLake {
  readonly #folder: string = mkdtempSync(join(tmpdir(), "muara-kafka-lake-"));
  readonly #log: Log;
  readonly #store = createFileObjectStore({ root: this.#folder });
  readonly #kernel = createKernel(wasm, new Uint8Array(16).fill(5));

  constructor(log: Log) {
    this.#log = log;
  }

  open(type: EventType): Promise<TableLanding> {
    const openTable = (name: string): ReturnType<typeof openTableLog> =>
      openTableLog(this.#store, name, services);
    const ports = { log: this.#log, store: this.#store, openTable, kernel: this.#kernel, ...services };
    return TableLanding.open(ports, OPTIONS, type);
  }

  /** Up to the end of the log as it is then. */
  async land(type: EventType): Promise<void> {
    const landing = await this.open(type);
    try {
      while ((await landing.step(never)).hasBacklog);
    } finally {
      landing.discard();
    }
  }

  /** From the table alone. */
  async partitions({ name }: EventType): Promise<LandedPartition[]> {
    const { txns } = await openTableLog(this.#store, name, services).snapshot();
    return landedPartitions(txns).toSorted((a, b) => a.partition - b.partition);
  }

  /** In order of partitions and offsets. */
  async rows({ name }: EventType): Promise<Row[]> {
    const { files } = await openTableLog(this.#store, name, services).snapshot();
    if (files.size === 0) return [];
    const paths = [...files.values()].map(({ path }) => `'${join(this.#folder, name, path)}'`);
    const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
    const connection = await instance.connect();
    try {
      const sql = `SELECT * FROM read_parquet([${paths.join(", ")}]) ORDER BY log_partition, log_offset`;
      return (await connection.runAndReadAll(sql)).getRowObjectsJson();
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
