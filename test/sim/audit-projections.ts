/**
 * Holds `books`, `dead_letters` and `duplicates` against the landing commits that they come from: every row once,
 * from a version that its commit says it consumed, and at the end all of them.
 */
import assert from "node:assert/strict";
import type { TableCommit } from "../../core/ports/table-log.ts";
import { BOOKS, DEAD_LETTERS, DUPLICATES } from "../../lake/ledger-tables.ts";
import type { EventAudit, Landing } from "./audit-events.ts";
import { AuditTable, contentOf, type Row } from "./audit-table.ts";
import type { SimStore } from "./sim-store.ts";

export const PROJECTIONS = [BOOKS, DEAD_LETTERS, DUPLICATES] as const;
type ProjectionName = (typeof PROJECTIONS)[number];

const COLUMNS: Readonly<Record<ProjectionName, readonly string[]>> = {
  books: [
    "table_version",
    "log_partition",
    "from_offset",
    "to_offset",
    "landed",
    "duplicates",
    "dead_letters",
    "gap",
  ],
  dead_letters: ["table_version", "log_partition", "log_offset", "event_id", "payload", "reason"],
  duplicates: ["table_version", "log_partition", "log_offset", "event_id"],
};

const decoder = new TextDecoder();

/** What is known of a source: how many of its landings were looked at, and their rows by version. */
interface Known {
  taken: number;
  readonly keys: Map<number, readonly string[]>;
}

export class ProjectionAudit {
  readonly table: AuditTable;
  readonly #name: ProjectionName;
  readonly #sources: ReadonlyMap<string, EventAudit>;
  readonly #known = new Map<string, Known>();
  /** Rows met, by source and what they say. */
  readonly #met = new Set<string>();
  /** Rows that landing gave and nobody has booked. */
  readonly #open = new Set<string>();
  #expected = 0;

  constructor(
    name: ProjectionName,
    store: SimStore,
    named: Set<string>,
    sources: ReadonlyMap<string, EventAudit>,
  ) {
    this.#name = name;
    this.#sources = sources;
    const columns = ["event_type", ...COLUMNS[name], ...(name === DUPLICATES ? ["verdict"] : [])];
    this.table = new AuditTable(name, store, columns, named, (commit, added) => {
      const rows = [...added.values()].flat();
      if (commit.info["kind"] === "compact") this.#checkCompaction(commit, rows);
      else this.#check(commit, rows);
    });
  }

  /** After the audits of the event tables. */
  catchUp(): void {
    for (const [type, { landings }] of this.#sources) {
      const known = this.#knownOf(type);
      for (; known.taken < landings.length; known.taken++) {
        const landing = landings[known.taken]!;
        const keys = rowsOf(this.#name, landing).map((row) => keyOf(type, this.#name, row));
        known.keys.set(landing.version, keys);
        this.#expected += keys.length;
        for (const key of keys) if (!this.#met.has(key)) this.#open.add(key);
      }
    }
    this.table.catchUp();
  }

  #knownOf(type: string): Known {
    const known = this.#known.get(type) ?? { taken: 0, keys: new Map() };
    this.#known.set(type, known);
    return known;
  }

  #checkCompaction({ remove, txns }: TableCommit, rows: readonly Row[]): void {
    const removed = remove.flatMap(({ path }) => this.table.files.get(path)!);
    assert.deepEqual(contentOf(rows), contentOf(removed), "compaction keeps the rows");
    assert.deepEqual(txns, [], "compaction consumes nothing");
  }

  #check(commit: TableCommit, rows: readonly Row[]): void {
    const steps = new Map<string, { readonly from: number; readonly to: number }>();
    for (const { appId, version } of commit.txns) {
      if (appId.startsWith("count:")) {
        this.#checkCount(appId, Number(version - (this.table.txns.get(appId) ?? 0n)), rows);
        continue;
      }
      const source = [...this.#sources].find(([, { table }]) => appId === `proj:${table.tableId}`);
      assert(source, `${appId} is no table's`);
      const from = Number(this.table.txns.get(appId) ?? -1n);
      assert(Number(version) > from, `${appId} went from ${from} to ${version}`);
      assert(Number(version) <= source[1].table.version, `${appId} is ahead of its table`);
      steps.set(source[0], { from, to: Number(version) });
    }
    for (const row of rows) {
      const type = String(row["event_type"]);
      const version = Number(row["table_version"]);
      const step = steps.get(type);
      assert(step && version > step.from && version <= step.to, `a row of ${type} ${version} out of turn`);
      const key = keyOf(type, this.#name, row);
      assert(!this.#met.has(key), `${key} is there twice`);
      this.#met.add(key);
      assert(this.#open.delete(key), `${key}: a row of nothing`);
    }
    for (const [type, { from, to }] of steps)
      for (let version = from + 1; version <= to; version++)
        for (const key of this.#knownOf(type).keys.get(version) ?? [])
          assert(this.#met.has(key), `${key} was consumed and is missing`);
  }

  /** `count:<table>:<verdict>` grows by the rows of that table with that verdict. */
  #checkCount(appId: string, grown: number, rows: readonly Row[]): void {
    const [, tableId, verdict] = appId.split(":");
    const of = [...this.#sources].find(([, { table }]) => table.tableId === tableId)?.[0];
    const counted = rows.filter((row) => row["event_type"] === of && row["verdict"] === verdict);
    assert.equal(grown, counted.length, appId);
  }

  /** Whether everything landed is in it. */
  get isComplete(): boolean {
    return this.#open.size === 0;
  }

  checkDrained(): void {
    assert(this.isComplete, `${this.#name}: not all is booked`);
    assert.equal(this.#met.size, this.#expected, `${this.#name}: rows`);
  }
}

function rowsOf(name: ProjectionName, { version, ledger, side }: Landing): Row[] {
  if (name === "books")
    return ledger.map((line) => ({
      table_version: version,
      log_partition: line.partition,
      from_offset: line.from,
      to_offset: line.to,
      landed: line.landed,
      duplicates: line.duplicates,
      dead_letters: line.dead,
      gap: line.gap,
    }));
  const kind = name === DEAD_LETTERS ? "dead" : "duplicate";
  return side.filter((row) => row["kind"] === kind).map((row): Row => ({ ...row, table_version: version }));
}

function keyOf(type: string, name: ProjectionName, row: Row): string {
  let key = type;
  for (const column of COLUMNS[name]) {
    const value = row[column];
    key += ` ${value instanceof Uint8Array ? decoder.decode(value) : String(value)}`;
  }
  return key;
}
