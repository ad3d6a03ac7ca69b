/**
 * Follows a table commit by commit, from the files themselves, and holds each landing commit against the model:
 * rows, order, counters, ledger, watermark, side file. What is not a landing commit must only do what its author
 * (the history) did on purpose.
 */
import assert from "node:assert/strict";
import type { LedgerLine } from "../../core/books.ts";
import { ledgerFaults } from "../../core/books.ts";
import { readColumns } from "../../lake/parquet/rows.ts";
import { readSideFile } from "../../lake/side-file.ts";
import type { LandInfo } from "../../workers/land/change.ts";
import { eventTimeUs, type Fates, inFileOrder, type ModelRecord } from "./landing-model.ts";
import type { LandingWorld } from "./landing-world.ts";

const COLUMNS = [
  "event_id",
  "event_time",
  "ingest_time",
  "event_key",
  "log_partition",
  "log_offset",
  "watermark",
  "flow_id",
  "n",
];

export interface Row {
  readonly [column: string]: unknown;
}

interface Add {
  readonly path: string;
  readonly dataChange: boolean;
  readonly stats: string;
  readonly partitionValues: { readonly ingest_date: string };
}

interface Actions {
  readonly id: string;
  readonly timestampMs: number;
  readonly info: Partial<LandInfo>;
  readonly add: readonly Add[];
  readonly remove: readonly { readonly path: string; readonly dataChange: boolean }[];
  readonly txn: ReadonlyMap<string, bigint>;
}

/** Sums over a history, to show that it was not empty. */
export interface AuditCounts {
  commits: number;
  landed: number;
  duplicates: number;
  dead: number;
  watermarkCommits: number;
  /** Partitions that a row commit found idle. */
  idle: number;
  foreignCommits: number;
}

export class LandingAudit {
  readonly #world: LandingWorld;
  readonly counts: AuditCounts;
  version = -1;
  /** Live files with their rows, in file order. */
  readonly files = new Map<string, readonly Row[]>();
  readonly txns = new Map<string, bigint>();
  readonly ledger: LedgerLine[] = [];
  readonly fates: Fates = { landed: [], duplicates: [], dead: [] };
  #previous: string | null = null;
  /** Wall clock of the last landing commit, ms. */
  #landedAtMs = 0;

  constructor(world: LandingWorld, counts: AuditCounts) {
    this.#world = world;
    this.counts = counts;
  }

  /** Checks every version that came since. */
  async catchUp(): Promise<void> {
    for (;;) {
      const path = `order.created/_delta_log/${String(this.version + 1).padStart(20, "0")}.json`;
      const bytes = await this.#world.store.get(path);
      if (!bytes) return;
      this.version++;
      try {
        await this.#check(parseActions(new TextDecoder().decode(bytes)));
      } catch (error) {
        throw new Error(`version ${this.version}`, { cause: error });
      }
    }
  }

  async #check(actions: Actions): Promise<void> {
    const before = new Map(this.txns);
    for (const [app, value] of actions.txn) this.txns.set(app, value);
    const rows = new Map<string, readonly Row[]>();
    for (const add of actions.add) {
      assert(!this.files.has(add.path), `${add.path} is live already`);
      rows.set(add.path, await this.#rowsOf(add));
    }
    const { kind } = actions.info;
    if (kind === "land" || kind === "watermark") await this.#checkLanding(actions, rows, before);
    else this.#checkOther(actions, rows);
    for (const { path } of actions.remove) assert(this.files.delete(path), `${path} was not live`);
    for (const [path, fileRows] of rows) this.files.set(path, fileRows);
  }

  async #checkLanding(
    actions: Actions,
    rows: ReadonlyMap<string, readonly Row[]>,
    before: ReadonlyMap<string, bigint>,
  ): Promise<void> {
    const { model } = this.#world;
    const { ledger = [], side = null, kind } = actions.info;
    assert.equal(actions.remove.length, 0, "landing removes nothing");
    const base = model.partitions.map((partition) => ({ ...partition }));
    const watermarkBefore = model.watermarkMs;
    const ends = base.map((_, p) => Number(this.#txn(p, "") ?? 0n));
    const idle = base.map((_, p) => this.#txn(p, ":idle") === 1n);
    const fates = model.land(ends, idle);
    if (kind === "watermark") this.#checkWatermarkOnly(actions, base, idle);
    this.#checkLedger(ledger, base, ends);
    this.#checkCounters();
    idle.forEach((isIdle, p) => {
      if (isIdle) this.#checkIdle(actions, p, base[p]!, ends[p]!);
    });
    const watermark = this.txns.get("muara:watermark");
    assert.equal(
      watermark,
      model.watermarkMs === undefined ? undefined : BigInt(model.watermarkMs),
      "watermark",
    );
    if (watermarkBefore !== undefined)
      assert(watermark! >= BigInt(watermarkBefore), "the watermark went back");
    this.#checkRows(rows, fates, watermarkBefore);
    await this.#checkSide(side, fates);
    // Last, so that a planted bug shows in the rows, not only here.
    assert.equal(actions.info.previous, this.#previous, "the predecessor's name");
    assert.equal(this.txns.get("muara:land"), (before.get("muara:land") ?? 0n) + 1n, "the step");
    this.#previous = actions.id;
    this.#landedAtMs = actions.timestampMs;
    this.ledger.push(...ledger);
    for (const fate of ["landed", "duplicates", "dead"] as const) {
      this.fates[fate].push(...fates[fate]);
      this.counts[fate] += fates[fate].length;
    }
    this.counts.commits++;
  }

  /** Silence is the log's: everything was read, and the last record is old enough. */
  #checkIdle(
    { timestampMs, info }: Actions,
    partition: number,
    before: { readonly cursor: number; readonly isIdle: boolean },
    end: number,
  ): void {
    const { model, clock, options } = this.#world;
    assert.equal(end, before.cursor, `partition ${partition} is idle, yet it moved`);
    if (clock.hasJumped) return;
    for (const { offset, ingestMs } of model.records[partition]!.values()) {
      const isBacklog = offset >= end && ingestMs < timestampMs - 1_000;
      assert(!isBacklog, `partition ${partition} is idle despite the backlog at ${offset}`);
      const isFresh = offset < end && timestampMs - ingestMs < options.idleAfterMs;
      assert(!isFresh, `partition ${partition} is idle ${timestampMs - ingestMs} ms after its last record`);
    }
    if (info.kind === "land" && !before.isIdle) this.counts.idle++;
  }

  /** The value depends on when the owner looked at the clock; everything about it that does not is checked. */
  #checkWatermarkOnly(
    actions: Actions,
    base: readonly { readonly cursor: number }[],
    idle: readonly boolean[],
  ): void {
    const { model, clock, options } = this.#world;
    this.counts.watermarkCommits++;
    assert(!idle.includes(false), "a watermark-only version while a partition counts");
    model.partitions.forEach(({ cursor }, p) => assert.equal(cursor, base[p]!.cursor, "nothing moves"));
    // Commits of one ms bear the next ones as their time, so the distance may be short by a few.
    const distanceMs = actions.timestampMs - this.#landedAtMs;
    if (!clock.hasJumped) assert(distanceMs >= 59_900, `a watermark-only version after ${distanceMs} ms`);
    const value = Number(this.txns.get("muara:watermark"));
    assert(value > (model.watermarkMs ?? -Infinity), "it grows");
    assert(value <= clock.nowMs() - options.idleAfterMs - options.disorderMs, "it is behind the clock");
    model.watermarkMs = value;
  }

  #checkLedger(
    ledger: readonly LedgerLine[],
    base: readonly { readonly cursor: number }[],
    ends: readonly number[],
  ): void {
    assert.deepEqual(ledgerFaults([...this.ledger, ...ledger]), []);
    base.forEach(({ cursor }, p) => {
      let at = cursor;
      for (const line of ledger.filter(({ partition }) => partition === p)) {
        assert.equal(line.from, at, `partition ${p}: lines tile`);
        const records = [...this.#world.model.records[p]!.values()].filter(
          ({ offset }) => offset >= line.from && offset < line.to,
        );
        assert.equal(line.gap, line.to - line.from - records.length, "the gap");
        for (const { ingestMs } of records)
          assert.equal(Math.floor(ingestMs / 3_600_000) * 3_600_000, line.hourMs, "the hour");
        at = line.to;
      }
      assert.equal(at, ends[p], `partition ${p}: the ledger ends at the cursor`);
    });
  }

  #checkCounters(): void {
    this.#world.model.partitions.forEach((partition, p) => {
      for (const name of ["landed", "duplicates", "dead", "gap"] as const) {
        assert.equal(Number(this.#txn(p, `:${name}`) ?? 0n), partition[name], `${name} of partition ${p}`);
        const booked = this.ledger.filter((line) => line.partition === p);
        assert(booked.reduce((sum, line) => sum + line[name], 0) <= partition[name]);
      }
      assert.equal(this.#txn(p, ":newest"), partition.newestUs, `newest event time of partition ${p}`);
      const ingest = partition.ingestMs === undefined ? undefined : BigInt(partition.ingestMs);
      assert.equal(this.#txn(p, ":ingest"), ingest, `newest ingest time of partition ${p}`);
    });
  }

  #checkRows(
    files: ReadonlyMap<string, readonly Row[]>,
    fates: Fates,
    watermarkMs: number | undefined,
  ): void {
    const byDay = Map.groupBy(fates.landed, ({ ingestMs }) => new Date(ingestMs).toISOString().slice(0, 10));
    assert.equal(files.size, byDay.size, "one file a day of acceptance");
    for (const [path, rows] of files) {
      const day = /^ingest_date=([^/]+)\//.exec(path)![1]!;
      const expected = inFileOrder(byDay.get(day) ?? []).map((record) => this.#rowFor(record, watermarkMs));
      assert.deepEqual(rows, expected, path);
    }
  }

  #rowFor(record: ModelRecord, watermarkMs: number | undefined): Row {
    const { logId, topicId } = this.#stream();
    return {
      event_id: record.idText ?? `${logId}/${topicId}/${record.partition}/${record.offset}`,
      event_time: eventTimeUs(record),
      ingest_time: BigInt(record.ingestMs) * 1_000n,
      event_key: record.key,
      log_partition: BigInt(record.partition),
      log_offset: BigInt(record.offset),
      watermark: watermarkMs === undefined ? null : BigInt(watermarkMs) * 1_000n,
      flow_id: record.flowId,
      n: BigInt(record.number),
    };
  }

  async #checkSide(path: string | null, fates: Fates): Promise<void> {
    const expected = [...fates.duplicates, ...fates.dead].length;
    assert.equal(path === null, expected === 0, "a side file exactly where there are side rows");
    if (path === null) return;
    this.#world.named.add(path);
    const rows = await readSideFile(this.#world.store, path);
    assert.equal(rows.length, expected, "side rows");
    const kinds = new Map<string, string>();
    for (const { partition, offset } of fates.duplicates) kinds.set(`${partition}/${offset}`, "duplicate");
    for (const { partition, offset } of fates.dead) kinds.set(`${partition}/${offset}`, "dead");
    for (const row of rows) {
      const { kind, log_partition: partition, log_offset: offset } = row;
      assert.equal(kind, kinds.get(`${partition}/${offset}`), `fate of ${partition}/${offset}`);
      kinds.delete(`${partition}/${offset}`);
      const record = this.#world.model.records[Number(partition)]!.get(Number(offset))!;
      assert.equal(row.ingest_time, BigInt(record.ingestMs) * 1_000n);
      if (kind === "dead") {
        assert.deepEqual(Buffer.from(row.payload!), Buffer.from(record.payload ?? []), "its bytes");
        assert.match(row.reason!, /^event\./);
        assert.equal(row.event_key, record.key);
      } else {
        assert.equal(row.event_id, record.idText);
        assert.deepEqual([row.payload, row.reason, row.header], [null, null, null]);
      }
    }
  }

  /** Compaction keeps the rows; what the history removed or added itself, the model is told. */
  #checkOther(actions: Actions, added: ReadonlyMap<string, readonly Row[]>): void {
    this.counts.foreignCommits++;
    const removed = actions.remove.flatMap(({ path }) => this.files.get(path)!);
    const kept = [...added.values()].flat();
    if (actions.remove.length > 0 && actions.add.length > 0) {
      const text = (rows: readonly Row[]): string[] =>
        rows.map((row) => JSON.stringify(Object.values(row).map(String))).sort();
      assert.deepEqual(text(kept), text(removed), "compaction keeps the rows");
      return;
    }
    const { model } = this.#world;
    const told = (row: Row): [string, number] => [
      canonical(String(row["event_id"])),
      Number((row["ingest_time"] as bigint) / 1_000n),
    ];
    // Rows that went away with a record of their ids are still known.
    if (!actions.txn.has("muara:removed")) for (const row of removed) model.forget(...told(row));
    for (const row of kept) model.know(...told(row));
  }

  async #rowsOf(add: Add): Promise<readonly Row[]> {
    const path = `order.created/${add.path}`;
    this.#world.named.add(path);
    const bytes = await this.#world.store.get(path);
    assert(bytes, `${path} is named, and does not exist`);
    const columns = await readColumns(bytes, COLUMNS);
    const count = columns["event_id"]!.length;
    assert.equal((JSON.parse(add.stats) as { numRecords: number }).numRecords, count, "numRecords");
    return Array.from({ length: count }, (_, i) =>
      Object.fromEntries(COLUMNS.map((name) => [name, columns[name]![i]])),
    );
  }

  #stream(): { readonly logId: string; readonly topicId: string } {
    const app = [...this.txns.keys()].find((name) => /^muara:land:[^:]+:[^:]+:\d+$/.test(name))!;
    const [, , logId, topicId] = app.split(":");
    return { logId: logId!, topicId: topicId! };
  }

  #txn(partition: number, suffix: string): bigint | undefined {
    for (const [app, value] of this.txns)
      if (app.startsWith("muara:land:") && app.split(":").slice(4).join(":") === `${partition}${suffix}`)
        return value;
    return undefined;
  }
}

/** As the model knows ids: a UUID in lower case. */
function canonical(id: string): string {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id) ? id.toLowerCase() : id;
}

function parseActions(text: string): Actions {
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line, exact) as Record<string, Record<string, unknown>>);
  const of = (kind: string): Record<string, unknown>[] =>
    lines.flatMap((line) => (line[kind] ? [line[kind]] : []));
  const commitInfo = of("commitInfo")[0]!;
  return {
    id: String(commitInfo["txnId"]),
    timestampMs: Number(commitInfo["timestamp"]),
    info: commitInfo["muara"] ?? {},
    add: of("add") as unknown as Add[],
    remove: of("remove") as unknown as Actions["remove"],
    txn: new Map(of("txn").map((txn) => [String(txn["appId"]), txn["version"] as bigint])),
  };
}

/** 64-bit integers exactly. */
function exact(key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return key === "version" && typeof value === "number" ? BigInt(context!.source!) : value;
}
