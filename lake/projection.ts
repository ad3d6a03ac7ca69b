/**
 * A projection: a table fed from other tables' commits, in order. It records which version of a source it has
 * consumed in the same commit as the rows that came from it (`txn proj:<source table id>`, moved exactly
 * from → to), so a crash between the two cannot exist and two owners cannot count anything twice.
 */
import type { Column } from "../core/columns.ts";
import { INGEST_DATE } from "../core/columns.ts";
import type { Clock, Randomness } from "../core/clock.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { AddFile, TableLog, TableSnapshot, Txn } from "../core/ports/table-log.ts";
import { pausedUntilMs } from "./table/table-pause.ts";
import { addFile, dataFilePath } from "./table/add-file.ts";
import { checksumTags } from "./checksum.ts";
import { commitProjected } from "./projected-commit.ts";
import { writeRows } from "./parquet/rows.ts";

export interface ProjectedRow {
  /** ms since 1970 UTC; its day is the table partition. */
  readonly ingestMs: number;
  /** By column name; timestamps in µs. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** A source's commits from one version (exclusive) to another (inclusive), and the rows that they give. */
export interface ProjectedStep {
  readonly sourceId: string;
  /** Last version consumed before; -1 for none. */
  readonly from: number;
  readonly to: number;
  readonly rows: readonly ProjectedRow[];
  /** Of the rows, counted apart and kept as sums beside `proj:`: name → how many. */
  readonly counts?: ReadonlyMap<string, number>;
}

export interface ProjectionPorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

export class Projection {
  readonly name: string;
  readonly #columns: readonly Column[];
  readonly #log: TableLog;
  readonly #ports: ProjectionPorts;
  #snapshot: TableSnapshot;

  constructor(
    name: string,
    columns: readonly Column[],
    log: TableLog,
    snapshot: TableSnapshot,
    ports: ProjectionPorts,
  ) {
    this.name = name;
    this.#columns = columns;
    this.#log = log;
    this.#snapshot = snapshot;
    this.#ports = ports;
  }

  /** The last version of a source that is in this table; -1 for none. */
  consumed(sourceId: string): number {
    const version = this.#snapshot.txns.get(consumedTxn(sourceId));
    return version === undefined ? -1 : Number(version);
  }

  /** Whether others write to it for now; looks again where it is so. */
  async isPaused(): Promise<boolean> {
    const { clock } = this.#ports;
    if (pausedUntilMs(this.#snapshot.metadata, clock.nowMs()) === undefined) return false;
    await this.refresh();
    return pausedUntilMs(this.#snapshot.metadata, clock.nowMs()) !== undefined;
  }

  async refresh(): Promise<void> {
    this.#snapshot = await this.#log.snapshot({ from: this.#snapshot });
  }

  /**
   * Writes the rows of several sources in one commit.
   * @returns false where another owner came first; `consumed` then says what is left to do
   */
  async append(steps: readonly ProjectedStep[], signal: AbortSignal): Promise<boolean> {
    const current = steps.every((step) => this.consumed(step.sourceId) === step.from);
    if (!current) return false;
    const add = await this.#writeFiles(steps.flatMap((step) => step.rows));
    const { isOurs, snapshot } = await commitProjected(
      this.#ports,
      { name: this.name, log: this.#log, snapshot: this.#snapshot },
      {
        add,
        txns: steps.flatMap((step) => this.#txnsOf(step)),
        own: new Set(steps.map(({ sourceId }) => consumedTxn(sourceId))),
      },
      signal,
    );
    this.#snapshot = snapshot;
    return isOurs;
  }

  #txnsOf({ sourceId, to, counts }: ProjectedStep): Txn[] {
    const sums = [...(counts ?? [])].map(([name, count]) => ({
      appId: countTxn(sourceId, name),
      version: BigInt(projectedCount(this.#snapshot.txns, sourceId, name) + count),
    }));
    return [{ appId: consumedTxn(sourceId), version: BigInt(to) }, ...sums];
  }

  async #writeFiles(rows: readonly ProjectedRow[]): Promise<AddFile[]> {
    const byDate = Map.groupBy(rows, (row) => new Date(row.ingestMs).toISOString().slice(0, 10));
    const files: AddFile[] = [];
    for (const [date, dated] of byDate) {
      const encoded = writeRows(
        this.#columns,
        dated.map((row) => row.values),
      );
      const path = dataFilePath({ [INGEST_DATE]: date }, this.#ports.randomness.uuid());
      await this.#ports.store.put(`${this.name}/${path}`, encoded.bytes);
      const file = addFile({
        path,
        partitionValues: { [INGEST_DATE]: date },
        bytes: encoded.bytes.length,
        modifiedMs: this.#ports.clock.nowMs(),
        tags: checksumTags(encoded.bytes),
      });
      files.push({ ...file, stats: encoded.stats });
    }
    return files;
  }
}

function countTxn(sourceId: string, name: string): string {
  return `count:${sourceId}:${name}`;
}

/** How many rows of a source a projection has counted under a name, by its own `txn`s. */
export function projectedCount(txns: ReadonlyMap<string, bigint>, sourceId: string, name: string): number {
  return Number(txns.get(countTxn(sourceId, name)) ?? 0n);
}

/** Under which name a projection records the version of a source that it has consumed. */
export function consumedTxn(sourceId: string): string {
  return `proj:${sourceId}`;
}
