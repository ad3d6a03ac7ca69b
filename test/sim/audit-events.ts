/**
 * Holds the commits of one event table against the plain model of landing: what was in the log at these offsets, in
 * this order, must have become these rows, dead letters and duplicates, these counters and this watermark.
 */
import assert from "node:assert/strict";
import type { LedgerLine } from "../../core/books.ts";
import type { Log } from "../../core/ports/log.ts";
import type { TableCommit } from "../../core/ports/table-log.ts";
import { REMOVED_TXN } from "../../core/landed.ts";
import { keyOf, payloadOf } from "../../core/record.ts";
import type { LandInfo } from "../../workers/land/change.ts";
import type { LandOptions } from "../../workers/land/options.ts";
import { type Fates, LandingModel, type ModelRecord } from "../property/landing-model.ts";
import { AuditTable, contentOf, type Row } from "./audit-table.ts";
import type { Draft, SimType } from "./events.ts";
import { lightFile } from "./light-format.ts";
import type { SimStore } from "./sim-store.ts";

export const EVENT_COLUMNS: readonly string[] = [
  "event_id",
  "event_time",
  "ingest_time",
  "log_partition",
  "log_offset",
  "watermark",
  "n",
];

/** How far back landing looks for the landing commit before (workers/land/lineage.ts). */
const WALK_MAX = 64;
const decoder = new TextDecoder();

/** What the audit has to know of the world. */
export interface AuditWorld {
  readonly log: Log | undefined;
  /** Grows with everything that a log may show anew. */
  readonly logChanges: number;
  readonly store: SimStore;
  readonly options: LandOptions;
  readonly drafts: readonly Draft[];
  readonly named: Set<string>;
  readonly oldest: ReadonlyMap<string, number>;
  /** Virtual ms. */
  nowMs(): number;
  /** The highest that any wall clock has ever shown. */
  highestWallMs(): number;
}

export interface Landing {
  readonly version: number;
  readonly ledger: readonly LedgerLine[];
  readonly side: readonly Row[];
}

export class EventAudit {
  readonly table: AuditTable;
  readonly model: LandingModel;
  readonly #world: AuditWorld;
  readonly #name: string;
  /** [partition] virtual ms at which each offset was first seen in the log. */
  readonly #seenMs: number[][];
  /** By draft number: how often it is in the log. */
  readonly copies = new Map<number, number>();
  /** In order of their versions. */
  readonly landings: Landing[] = [];
  readonly landedIds = new Set<string>();
  readonly counts = { landed: 0, duplicates: 0, dead: 0, removed: 0, appended: 0 };
  /** Side files by the version that names them. */
  readonly sides = new Map<number, string>();
  readonly #cursors: { readonly version: number; readonly cursors: readonly number[] }[] = [];
  #pausedUntilMs = 0;
  #previous: string | null = null;
  #previousVersion = -1;
  #logChanges = -1;

  constructor(world: AuditWorld, type: SimType, partitions: number) {
    this.#world = world;
    this.#name = type.name;
    this.model = new LandingModel({ ...world.options, partitions, hasIds: true });
    this.#seenMs = Array.from({ length: partitions }, () => []);
    this.table = new AuditTable(type.name, world.store, EVENT_COLUMNS, world.named, (commit, added) =>
      this.#check(commit, added),
    );
  }

  async catchUp(): Promise<void> {
    const { logChanges } = this.#world;
    if (logChanges !== this.#logChanges) {
      const { log } = this.#world;
      if (log) await this.#readLog(log);
      this.#logChanges = logChanges;
    }
    this.table.catchUp();
  }

  /** What the log took, by the log itself. */
  async #readLog(log: Log): Promise<void> {
    for (const [partition, seen] of this.#seenMs.entries()) {
      const { endOffset } = await log.bounds(this.#name, partition);
      assert(endOffset >= seen.length, "the log got shorter");
      while (seen.length < endOffset) {
        const batch = await log.read(this.#name, partition, seen.length, 1_000_000);
        for (let i = 0; i < batch.count; i++) {
          assert(batch.offsets[i]! >= seen.length, "offsets grow");
          this.#note(payloadOf(batch, i)!, partition, batch.offsets[i]!, batch.ingestMs[i]!, keyOf(batch, i));
        }
        assert(batch.next > seen.length, "reading goes on");
        while (seen.length < batch.next) seen.push(this.#world.nowMs());
      }
    }
  }

  #note(
    payload: Uint8Array,
    partition: number,
    offset: number,
    ingestMs: number,
    key: Uint8Array | null,
  ): void {
    const text = decoder.decode(payload);
    const number = Number(/"n":(\d+)/.exec(text)?.[1] ?? -1);
    const draft = this.#world.drafts[number];
    assert(draft?.type === this.#name, `nobody published what is at ${partition}/${offset}`);
    assert.equal(text, draft.text, "the bytes as published");
    this.copies.set(number, (this.copies.get(number) ?? 0) + 1);
    const record: ModelRecord = {
      ...draft,
      partition,
      offset,
      ingestMs,
      idText: draft.id,
      flowId: null,
      key: key && decoder.decode(key),
    };
    this.model.append(record);
  }

  #check(commit: TableCommit, added: ReadonlyMap<string, readonly Row[]>): void {
    const { kind } = commit.info as Partial<LandInfo>;
    if (kind === "land" || kind === "watermark") this.#checkLanding(commit, added);
    else this.#checkOther(commit, added);
  }

  #checkLanding(commit: TableCommit, added: ReadonlyMap<string, readonly Row[]>): void {
    const { txns } = this.table;
    this.#checkPause(commit);
    const info = commit.info as unknown as LandInfo;
    const moved = new Map([...txns, ...commit.txns.map(({ appId, version }) => [appId, version] as const)]);
    assert.equal(commit.remove.length, 0, "landing removes nothing");
    const oldest = this.#world.oldest.get(this.#name) ?? 0;
    const isFar =
      commit.version - this.#previousVersion > WALK_MAX || (oldest > 0 && this.#previousVersion <= oldest);
    if (!isFar || info.previous !== null)
      assert.equal(info.previous, this.#previous, "the predecessor's name");
    this.#previousVersion = commit.version;
    assert.equal(moved.get("muara:land"), (txns.get("muara:land") ?? 0n) + 1n, "the step");
    this.#previous = commit.commitId;
    const base = this.model.partitions.map((partition) => ({ ...partition }));
    const byPlace = new Map<string, bigint>();
    for (const [app, value] of moved) {
      const match = /^muara:land:[^:]+:[^:]+:(\d+.*)$/.exec(app);
      if (match) byPlace.set(match[1]!, value);
    }
    const ends = base.map((_, p) => Number(byPlace.get(String(p)) ?? 0n));
    const idle = base.map((_, p) => byPlace.get(`${p}:idle`) === 1n);
    ends.forEach((end, p) => {
      assert(end >= base[p]!.cursor, "a cursor went back");
      assert(end <= this.#seenMs[p]!.length, `partition ${p} was landed beyond the log's end`);
      if (idle[p] && !(base[p]!.isIdle && info.kind === "land")) this.#checkIdle(p, base[p]!.cursor, end);
    });
    const watermarkBefore = this.model.watermarkMs;
    const fates = this.model.land(ends, idle);
    if (info.kind === "watermark") this.#takeIdleWatermark(moved.get("muara:watermark"));
    this.#checkWatermark(moved.get("muara:watermark"), watermarkBefore);
    this.#checkBooks(info, base, ends, byPlace);
    this.#checkRows(added, fates, watermarkBefore);
    const side = this.#checkSide(info.side, fates);
    this.landings.push({ version: commit.version, ledger: info.ledger, side });
    this.#cursors.push({ version: commit.version, cursors: ends });
    if (info.side !== null) this.sides.set(commit.version, info.side);
    for (const { id } of fates.landed) this.landedIds.add(id!);
    for (const fate of ["landed", "duplicates", "dead"] as const) this.counts[fate] += fates[fate].length;
  }

  /** It had been at the log's end, with nothing new, for as long as is configured. */
  #checkIdle(partition: number, cursor: number, end: number): void {
    assert.equal(cursor, end, `partition ${partition} is idle, yet it moved`);
    const seen = this.#seenMs[partition]!;
    const silentMs = (seen[cursor] ?? this.#world.nowMs()) - (seen[cursor - 1] ?? 0);
    const { idleAfterMs } = this.#world.options;
    assert(silentMs >= idleAfterMs, `partition ${partition} is idle after a silence of ${silentMs} ms`);
  }

  #takeIdleWatermark(value: bigint | undefined): void {
    const { options } = this.#world;
    const limitMs = this.#world.highestWallMs() - options.idleAfterMs - options.disorderMs;
    assert(value !== undefined && Number(value) <= limitMs, "it is behind every clock");
    assert(Number(value) > (this.model.watermarkMs ?? -Infinity), "it grows");
    this.model.watermarkMs = Number(value);
  }

  #checkWatermark(value: bigint | undefined, beforeMs: number | undefined): void {
    const expected = this.model.watermarkMs;
    assert.equal(value, expected === undefined ? undefined : BigInt(expected), "watermark");
    assert(beforeMs === undefined || expected! >= beforeMs, "the watermark went back");
  }

  #checkBooks(
    info: LandInfo,
    base: readonly { readonly cursor: number }[],
    ends: readonly number[],
    byPlace: ReadonlyMap<string, bigint>,
  ): void {
    this.model.partitions.forEach((partition, p) => {
      for (const name of ["landed", "duplicates", "dead", "gap"] as const)
        assert.equal(Number(byPlace.get(`${p}:${name}`) ?? 0n), partition[name], `${name} of partition ${p}`);
      assert.equal(byPlace.get(`${p}:newest`), partition.newestUs, `newest event time of partition ${p}`);
      let at = base[p]!.cursor;
      for (const line of info.ledger.filter((one) => one.partition === p)) {
        assert.equal(line.from, at, `partition ${p}: lines tile`);
        assert.equal(
          line.landed + line.duplicates + line.dead + line.gap,
          line.to - line.from,
          "a line adds up",
        );
        at = line.to;
      }
      assert.equal(at, ends[p], `partition ${p}: the ledger ends at the cursor`);
    });
  }

  #checkRows(
    added: ReadonlyMap<string, readonly Row[]>,
    fates: Fates,
    watermarkMs: number | undefined,
  ): void {
    const expected = new Map(fates.landed.map((record) => [`${record.partition}/${record.offset}`, record]));
    for (const [path, rows] of added)
      for (const row of rows) {
        const place = `${String(row["log_partition"])}/${String(row["log_offset"])}`;
        const record = expected.get(place);
        assert(record, `${path} holds ${place}, which does not land here`);
        expected.delete(place);
        assert.equal(row["event_id"], record.idText);
        assert.equal(row["n"], BigInt(record.number));
        assert.equal(row["event_time"], record.timeUs);
        assert.equal(row["ingest_time"], BigInt(record.ingestMs) * 1_000n);
        assert.equal(row["watermark"], watermarkMs === undefined ? null : BigInt(watermarkMs) * 1_000n);
      }
    assert.deepEqual([...expected.keys()], [], "landed, and in no file");
  }

  #checkSide(path: string | null, fates: Fates): readonly Row[] {
    const kinds = new Map<string, readonly [string, ModelRecord]>();
    for (const record of fates.duplicates)
      kinds.set(`${record.partition}/${record.offset}`, ["duplicate", record]);
    for (const record of fates.dead) kinds.set(`${record.partition}/${record.offset}`, ["dead", record]);
    assert.equal(path === null, kinds.size === 0, "a side file exactly where there are side rows");
    if (path === null) return [];
    this.#world.named.add(path);
    const rows = sideRows(this.#world.store, path);
    assert.equal(rows.length, kinds.size, "side rows");
    for (const row of rows) {
      const place = `${String(row["log_partition"])}/${String(row["log_offset"])}`;
      const [kind, record] = kinds.get(place) ?? [];
      kinds.delete(place);
      assert.equal(row["kind"], kind, `fate of ${place}`);
      if (kind === "dead")
        assert.equal(decoder.decode(row["payload"] as Uint8Array), decoder.decode(record!.payload!));
    }
    return rows;
  }

  /** Compaction keeps the rows; what was removed or added on purpose, the model is told. */
  #checkOther(commit: TableCommit, added: ReadonlyMap<string, readonly Row[]>): void {
    const { kind } = commit.info as { readonly kind?: string };
    for (const { appId } of commit.txns)
      assert(appId.startsWith(REMOVED_TXN), `${appId} is moved by who does not land`);
    this.#checkPause(commit);
    const removed = commit.remove.flatMap(({ path }) => this.table.files.get(path)!);
    const kept = [...added.values()].flat();
    const isCompaction = kind === undefined && removed.length > 0 && kept.length > 0;
    if (isCompaction || kind === "compact") {
      assert.deepEqual(contentOf(kept), contentOf(removed), "compaction keeps the rows");
      return;
    }
    const gone = removed.length > 0 ? lacking(removed, kept) : [];
    this.#checkReason(commit, gone);
    const record = commit.txns.find(({ appId }) => appId === REMOVED_TXN);
    if (record) {
      this.#nameRemoved(record.version);
      // Of files that went in part all ids are written down, and stay known when somebody else takes the rest.
      for (const row of kept) this.model.know(...identityOf(row));
    } else for (const row of gone) this.model.forget(...identityOf(row));
    this.counts.removed += gone.length;
    if (removed.length > 0) return;
    for (const row of kept) this.model.know(...identityOf(row));
    this.counts.appended += kept.length;
  }

  /** Rows go for the reason that the commit gives, no others, and each is counted. */
  #checkReason({ info, txns }: TableCommit, gone: readonly Row[]): void {
    const { kind, beforeMs, to } = info as { kind?: string; beforeMs?: number; to?: number };
    const counted = txns.filter(({ appId }) => appId.startsWith(`${REMOVED_TXN}:`));
    if (kind !== "retention" && kind !== "rollback") {
      assert.deepEqual(counted, [], "nobody else counts removed rows");
      return;
    }
    const counter = `${REMOVED_TXN}:${kind}`;
    assert.deepEqual(
      counted.map(({ appId, version }) => [appId, Number(version - (this.table.txns.get(appId) ?? 0n))]),
      [[counter, gone.length]],
      "removed rows are counted",
    );
    const isRecorded = txns.some(({ appId }) => appId === REMOVED_TXN);
    assert(isRecorded, "the ids of removed rows are written down, so that a resend stays a duplicate");
    const cursors = kind === "rollback" ? this.cursorsAt(to!) : [];
    for (const row of gone) {
      if (kind === "retention") {
        const ms = Number(row["ingest_time"]) / 1_000;
        assert(ms < beforeMs!, `retention before ${beforeMs} took what was accepted at ${ms}`);
        continue;
      }
      const partition = Number(row["log_partition"]);
      assert(Number(row["log_offset"]) >= cursors[partition]!, `rolling back to ${to} took an older row`);
    }
  }

  /** Next offset by partition as a version had it. */
  cursorsAt(version: number): readonly number[] {
    const found = this.#cursors.findLast((one) => one.version <= version);
    return found?.cursors ?? this.model.partitions.map(() => 0);
  }

  /** Rolled back from one version to another: what landed in between is gone. */
  checkRolledBack(to: number, from: number): void {
    const [then, began] = [this.cursorsAt(to), this.cursorsAt(from)];
    for (const row of [...this.table.files.values()].flat()) {
      const [partition, offset] = [Number(row["log_partition"]), Number(row["log_offset"])];
      const isBack = partition >= 0 && offset >= then[partition]! && offset < began[partition]!;
      assert(!isBack, `${partition}/${offset} is there, though ${this.#name} was rolled back to ${to}`);
    }
  }

  /** By the clock of whoever committed, a pause was over, or it is what the commit is about. */
  #checkPause({ metadata, timestampMs }: TableCommit): void {
    const before = this.#pausedUntilMs;
    if (metadata) this.#pausedUntilMs = Number(metadata.configuration["muara.pausedUntil"] ?? 0);
    if (before === this.#pausedUntilMs)
      assert(timestampMs >= before, `a commit at ${timestampMs} though paused until ${before}`);
  }

  /** Ids of removed rows stay known; they are in the newest such file. */
  #nameRemoved(number: bigint): void {
    const { named, store } = this.#world;
    const before = this.table.txns.get(REMOVED_TXN);
    if (before !== undefined) named.delete(this.#removedPath(before));
    const path = this.#removedPath(number);
    assert(store.peek(path), `a commit names ${path}, which does not exist`);
    named.add(path);
  }

  #removedPath(number: bigint): string {
    return `${this.#name}/_muara/removed-${number}.ids`;
  }

  /** Whether every cursor is at the log's end. */
  get isDrained(): boolean {
    return this.model.partitions.every(({ cursor }, p) => cursor === this.#seenMs[p]!.length);
  }

  /** Everything accepted has its fate, and the live rows are what landed. */
  checkDrained(): void {
    const { landed, duplicates, dead, removed, appended } = this.counts;
    const accepted = [...this.copies.values()].reduce((sum, count) => sum + count, 0);
    assert(this.isDrained, `${this.#name}: events are still in flight`);
    assert.equal(landed + duplicates + dead, accepted, "accepted = landed + duplicates + dead letters");
    const live = [...this.table.files.values()].reduce((sum, rows) => sum + rows.length, 0);
    assert.equal(landed + appended - removed, live, "landed - removed = live rows");
  }
}

const SIDE = ["kind", "event_id", "log_partition", "log_offset", "reason", "payload"];

function sideRows(store: SimStore, path: string): readonly Row[] {
  const bytes = store.peek(path);
  assert(bytes, `a commit names ${path}, which does not exist`);
  const { rows, columns } = lightFile(bytes);
  return Array.from({ length: rows }, (_, i) =>
    Object.fromEntries(SIDE.map((name) => [name, columns.get(name)![i]])),
  );
}

function identityOf(row: Row): [string, number] {
  return [String(row["event_id"]), Number((row["ingest_time"] as bigint) / 1_000n)];
}

/** `rows` without `others`, all of which must be among them. */
function lacking(rows: readonly Row[], others: readonly Row[]): readonly Row[] {
  const left = Map.groupBy(rows, (row) => contentOf([row])[0]!);
  for (const key of contentOf(others)) assert(left.get(key)?.pop(), `what stays was not there: ${key}`);
  return [...left.values()].flat();
}
