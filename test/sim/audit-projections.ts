/**
 * Holds `books`, `dead_letters` and `duplicates` against the landing commits that they come from: every row once,
 * from a version that its commit says it consumed, and at the end all of them.
 */
import assert from "node:assert/strict";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableCommit } from "../../core/ports/table-log.ts";
import { BOOKS, DEAD_LETTERS, DUPLICATES } from "../../lake/ledger-tables.ts";
import type { EventAudit, Landing } from "./audit-events.ts";
import { AuditTable, type Row } from "./audit-table.ts";

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

export class ProjectionAudit {
  readonly table: AuditTable;
  readonly #name: ProjectionName;
  readonly #sources: ReadonlyMap<string, EventAudit>;
  /** Rows met, by source and what they say. */
  readonly #met = new Set<string>();

  constructor(
    name: ProjectionName,
    store: ObjectStore,
    named: Set<string>,
    sources: ReadonlyMap<string, EventAudit>,
  ) {
    this.#name = name;
    this.#sources = sources;
    this.table = new AuditTable(name, store, ["event_type", ...COLUMNS[name]], named, async (commit, added) =>
      this.#check(commit, [...added.values()].flat()),
    );
  }

  catchUp(): Promise<void> {
    return this.table.catchUp();
  }

  #check(commit: TableCommit, rows: readonly Row[]): void {
    const steps = new Map<string, { readonly from: number; readonly to: number }>();
    for (const { appId, version } of commit.txns) {
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
    }
    for (const [type, { from, to }] of steps) {
      const expected = this.#expected(type, (version) => version > from && version <= to);
      for (const key of expected) assert(this.#met.has(key), `${key} was consumed and is missing`);
    }
  }

  #expected(type: string, isWanted: (version: number) => boolean): string[] {
    const landings = [...this.#sources.get(type)!.landings.values()].filter(({ version }) =>
      isWanted(version),
    );
    return landings.flatMap((landing) =>
      rowsOf(this.#name, landing).map((row) => keyOf(type, this.#name, row)),
    );
  }

  /** Whether everything landed is in it. */
  get isComplete(): boolean {
    return [...this.#sources.keys()].every((type) =>
      this.#expected(type, () => true).every((key) => this.#met.has(key)),
    );
  }

  checkDrained(): void {
    const expected = new Set([...this.#sources.keys()].flatMap((type) => this.#expected(type, () => true)));
    assert.deepEqual(
      [...this.#met].filter((key) => !expected.has(key)),
      [],
      `${this.#name}: rows of nothing`,
    );
    assert.equal(this.#met.size, expected.size, `${this.#name}: rows`);
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
  return side.filter((row) => row.kind === kind).map((row) => ({ ...row, table_version: version }));
}

function keyOf(type: string, name: ProjectionName, row: Row): string {
  const values = COLUMNS[name].map((column) => {
    const value = row[column];
    return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
  });
  return `${type} ${values.join(" ")}`;
}
