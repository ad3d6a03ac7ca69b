/**
 * The world of one seed: clock, log, store, processes in their slots, and the audits that follow what they do. Who
 * acts in it (producers, foreign writers, trouble) is in files of their own.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Disk } from "../../adapters/file/disk.ts";
import { openFileLog } from "../../adapters/file/log.ts";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import { type Clock, type Randomness } from "../../core/clock.ts";
import { type Logger, silentLogger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import type { TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import type { LogConsumer } from "../../lake/table/log-cleanup.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import type { LandOptions, LandPorts } from "../../workers/land/options.ts";
import { createGappyLog, type GappyLog } from "../property/gappy-log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { Feed } from "../../core/extract-feed.ts";
import { FeedStore } from "../../lake/extract/feed-store.ts";
import type { AuditTable } from "./audit-table.ts";
import { FeedAudit, type Loaded } from "./audit-feed.ts";
import { drawFeed, FEED_TABLE } from "./feed.ts";
import { emptyFolder } from "./light-bench.ts";
import { RightsBook } from "./rights.ts";
import type { Registry } from "../../core/registry.ts";
import type { ShareReader } from "../../lake/share/reader.ts";
import { type AuditWorld, EventAudit } from "./audit-events.ts";
import { PROJECTIONS, ProjectionAudit } from "./audit-projections.ts";
import { below, type Draft, drawType, EventSource, pick, type SimType } from "./events.ts";
import { Faults } from "./faults.ts";
import type { Followed } from "./followed.ts";
import { type Outside, type PendingAppend, SimProcess, type Slot, SlotKernel } from "./process.ts";
import { drawOptions, isForeseen } from "./draws.ts";
import { forgetHandles } from "./handles.ts";
import type { Life } from "./life.ts";
import type { KeeperPorts } from "./keeper-ports.ts";
import { chooseFormat } from "./light-commit.ts";
import { simRandomness } from "./randomness.ts";
import { type Actor, Scheduler, settled } from "./scheduler.ts";
import { SimDisk, type Through } from "./sim-disk.ts";
import { SimStore, type StoreFault } from "./sim-store.ts";

const HOUR_MS = 3_600_000;
const COMMIT = /\/_delta_log\/\d{20}\.json$/;
const CACHE = /\/_delta_log\/(_last_checkpoint|\d{20}\.checkpoint\.parquet)$/;
/** What clocks may differ (lake/sweep.ts). */
const SLACK_MS = 600_000;
/** Beside a table's log, and in nobody's way. */
const LEASE = /\/_compact\.lease$/;
/** Soon an hour is over, and a day not long after. */
const START_MS: number = Date.UTC(2026, 2, 1, 22, 59, 56);

const wasm = new WebAssembly.Module(readFileSync(new URL("../../core-as/kernel.wasm", import.meta.url)));
const kernels = ["a", "b"].map(() => new SlotKernel(wasm, new Uint8Array(16).fill(3), {}));

/** Identities that were admitted and not yet committed. */
export interface Admitted {
  readonly count: number;
  readonly identities: BigUint64Array;
  readonly ingestMs: Float64Array;
}

interface OutsideServices {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  readonly openTable: (name: string) => TableLog;
}

/** Changes what a process is given, to plant a bug. */
export interface Plant {
  ports?(ports: LandPorts, world: World, process: SimProcess): LandPorts;
  disk?(disk: Disk): Disk;
  keeper?(ports: KeeperPorts, world: World): KeeperPorts;
  /** The store of who makes extracts. */
  feed?(store: ObjectStore, world: World): ObjectStore;
  reader?(reader: ShareReader): void;
  registry?(registry: Registry): Registry;
}

export class World implements Outside, AuditWorld {
  readonly seed: number;
  readonly random: Randomness;
  readonly faults: Faults;
  readonly scheduler: Scheduler;
  readonly options: LandOptions;
  readonly projectMs: number;
  readonly emptyVersionsMax: number;
  readonly keepLogsMs: number;
  readonly switchRate: number;
  /** Of who compacts; 1: as if there were none. */
  readonly leaseMs: number;
  /** Of a log on disk. */
  readonly segmentBytes: number;
  readonly slots: readonly Slot[];
  /** [slot] */
  readonly processes: (SimProcess | undefined)[] = [];
  /** In memory, shared by all; undefined where every process opens the log on `disk`. */
  readonly memoryLog: GappyLog | undefined;
  readonly disk: SimDisk | undefined;
  readonly store: SimStore;
  readonly events: EventSource;
  readonly types: SimType[] = [];
  readonly audits = new Map<string, EventAudit>();
  readonly projections: readonly ProjectionAudit[];
  /** By table: the first version that clean-up has left. */
  readonly oldest = new Map<string, number>();
  /** By table log: the newest checkpoint there was when one was last spoilt. */
  readonly spoilt = new Map<string, string>();
  readonly named = new Set<string>();
  /** Those at work beside the processes that land. */
  readonly helpers = new Set<Life>();
  /** Starts of helpers: none draws what another has drawn. */
  hired = 0;
  /** What the one who follows the event tables has of each. */
  readonly followed = new Map<string, Followed>();
  readonly rights: RightsBook;
  /** How long an address of a shared file is good. */
  readonly urlMs: number;
  readonly feed: Feed;
  readonly feedAudit: FeedAudit;
  /** What the warehouse has. */
  loaded: Loaded = { version: 0, windows: new Map() };
  readonly pending = new Set<PendingAppend>();
  caller: Actor | undefined;
  logOffsetMs = 0;
  logFullUntilMs = 0;
  /** Something was written since the audits last looked. */
  isDirty = true;
  isRetentionDue = false;
  /** What a machine had as state images at an earlier time, by path. */
  keptImages: ReadonlyMap<string, Uint8Array> = new Map();
  /** Virtual ms in which nothing ran. */
  suspendedMs = 0;
  /** Ranges of offsets without records. */
  gaps = 0;
  /** By slot: what a planted bug remembers across processes. */
  readonly leaked = new Map<string, Set<Admitted>>();
  /** What a planted bug goes on to believe, by table. */
  readonly firstSeen = new Map<string, TableSnapshot>();
  failure: unknown;
  readonly planted: Plant | undefined;
  readonly #ended: SimProcess[] = [];
  readonly #cleaned: { readonly table: AuditTable; readonly version: number }[] = [];
  #highestWallMs = START_MS;
  #looking: { readonly isDone: boolean } | undefined;

  constructor(seed: number, plant?: Plant) {
    this.seed = seed;
    this.planted = plant;
    const random = (this.random = simRandomness(seed));
    this.faults = new Faults(random);
    this.scheduler = new Scheduler(simRandomness(seed ^ 0x5eed));
    this.options = drawOptions(random);
    this.projectMs = pick(random, [1_000, 3_000, 8_000]);
    this.emptyVersionsMax = pick(random, [3, 10, 100]);
    this.keepLogsMs = this.faults.has("table log cleaned up") ? pick(random, [4_000, 20_000]) : 1e12;
    this.switchRate = pick(random, [0.1, 0.2, 0.5]);
    this.leaseMs = pick(random, [1, 3_000, 60_000]);
    const isOnDisk = random.fraction() < 0.25;
    const slots = !isOnDisk && random.fraction() < 0.75 ? 2 : 1;
    this.slots = kernels.slice(0, slots).map((kernel, i) => ({
      name: "ab"[i]!,
      kernel,
      images: this.#imageStore(),
      wallOffsetMs: 0,
      starts: 0,
    }));
    const logClock: Clock = {
      nowMs: () => this.wallMs(this.logOffsetMs),
      monotonicMs: () => this.scheduler.nowMs,
      sleep: (ms) => this.scheduler.wait(OUTSIDE, ms),
    };
    forgetHandles();
    emptyFolder();
    chooseFormat(seed % 8 !== 0);
    this.store = new SimStore({
      nowMs: () => this.wallMs(0),
      fault: (...call) => this.#storeFault(...call),
      onWrite: (...write) => this.#observe(...write),
    });
    if (isOnDisk) this.disk = new SimDisk({ random, faults: this.faults, nowMs: () => this.scheduler.nowMs });
    else {
      const log = createMemoryLog({
        clock: logClock,
        randomness: simRandomness(seed + 1),
        faults: { onAppend: () => this.#appendFault() },
      });
      this.memoryLog = createGappyLog(log, () => false);
    }
    this.feed = drawFeed(random);
    this.rights = new RightsBook(logClock, simRandomness(seed + 3));
    this.urlMs = pick(random, [60_000, HOUR_MS / 4, HOUR_MS]);
    this.feedAudit = new FeedAudit(this.store, new FeedStore(this.store, this.feed.name, logClock));
    this.segmentBytes = pick(random, [1_500, 6_000, 1 << 27]);
    this.events = new EventSource(random, this.faults);
    this.projections = PROJECTIONS.map(
      (name) => new ProjectionAudit(name, this.store, this.named, this.audits),
    );
  }

  get drafts(): readonly Draft[] {
    return this.events.drafts;
  }

  /** The log for those who only look; undefined while nobody has it open. */
  get log(): Log | undefined {
    if (this.memoryLog) return this.memoryLog;
    const process = this.processes[0];
    return process?.isDead === false ? process.log : undefined;
  }

  async closeLog(log: Log): Promise<void> {
    if (this.disk) await log.close();
  }

  get logChanges(): number {
    const { log } = this;
    return log ? log.appendCount + this.gaps + this.slots[0]!.starts * 1_000_000 : -1;
  }

  async openLog(process: SimProcess, through: Through): Promise<Log> {
    const { memoryLog, segmentBytes } = this;
    if (!this.disk) return memoryLog!;
    const disk = this.disk.view(through, () => process.wrote());
    const log = await openFileLog({
      directory: "/log",
      clock: process.clock,
      randomness: process.randomness,
      logger: silentLogger,
      disk: this.planted?.disk?.(disk) ?? disk,
      segmentBytes,
      segmentAgeMs: 2_000,
      onFatal: () => process.crash(),
    });
    this.isDirty = true;
    return log;
  }

  nowMs(): number {
    return this.scheduler.nowMs;
  }

  wallMs(offsetMs: number): number {
    const ms = START_MS + this.scheduler.nowMs + offsetMs;
    this.#highestWallMs = Math.max(this.#highestWallMs, ms);
    return ms;
  }

  highestWallMs(): number {
    return this.#highestWallMs;
  }

  drawType(name: string): SimType {
    return drawType(this.random, name);
  }

  /** The audit of a type begins with its stream. */
  async adopt(type: SimType): Promise<void> {
    const info = await this.log?.stream(type.name);
    if (info && !this.audits.has(type.name))
      this.audits.set(type.name, new EventAudit(this, type, info.partitions));
  }

  start(slot: number): SimProcess {
    const process = new SimProcess(
      this,
      this.slots[slot]!,
      simRandomness((this.seed * 64 + this.slots[slot]!.starts) * 2 + slot),
    );
    this.processes[slot] = process;
    if (process.slot.starts > 1 && this.faults.strikes("process crashed while it recovered", 3))
      process.callsLeft = 1 + below(this.random, 60);
    void process.run();
    return process;
  }

  ended(process: SimProcess, problem?: unknown): void {
    this.#ended.push(process);
    if (this.disk && problem === undefined && process.losesPower) this.faults.note("power lost");
    this.disk?.processEnded();
    if (process.losesPower) this.disk?.losePower();
    this.#looking = undefined;
    this.isDirty = true;
    for (const append of this.pending) if (append.process === process) this.pending.delete(append);
    if (problem !== undefined && !isForeseen(problem))
      this.fail(new Error(`process ${process.name}`, { cause: problem }));
  }

  /** Buries the dead, and starts others in their place after a while. */
  bury(): void {
    for (const process of this.#ended.splice(0)) {
      this.scheduler.sweep();
      process.slot.kernel.empty();
      const slot = this.slots.indexOf(process.slot);
      void this.scheduler.wait(OUTSIDE, below(this.random, 1_500)).then(() => this.start(slot));
    }
  }

  #foresee(error: unknown): void {
    if (!isForeseen(error)) this.fail(error);
  }

  fail(error: unknown): void {
    this.failure ??= error;
  }

  /** Looks at everything that is new. Where the log cannot be read without waiting, at the next opportunity. */
  async audit(): Promise<void> {
    if (!this.disk) return this.#look();
    if (this.#looking?.isDone === false) return;
    this.disk.isLookedAt = true;
    const looking = { isDone: false };
    this.#looking = looking;
    void this.#look()
      .catch((error: unknown) => this.fail(error))
      .then(() => (looking.isDone = true));
    await settled();
    this.disk.isLookedAt = false;
    if (!looking.isDone) this.isDirty = true;
  }

  async #look(): Promise<void> {
    this.isDirty = false;
    if (this.audits.size < this.types.length) for (const type of this.types) await this.adopt(type);
    for (const audit of this.audits.values()) await audit.catchUp();
    for (const projection of this.projections) projection.catchUp();
    this.feedAudit.catchUp(this.audits.get(FEED_TABLE)?.table);
    this.#checkCleaned();
    for (const process of this.processes) {
      const stopped = process?.worker?.status().find(({ state }) => state === "stopped");
      if (stopped) throw new Error(`${process!.name}: ${stopped.table} stopped: ${stopped.problem}`);
    }
  }

  /** A type whose declaring door died has no stream before its first event: then there is nothing to land. */
  get isDrained(): boolean {
    return (
      this.log !== undefined &&
      [...this.audits.values()].every((audit) => audit.isDrained) &&
      this.projections.every((projection) => projection.isComplete)
    );
  }

  delayMs(process: Actor): number {
    if (process.pausedUntilMs > this.scheduler.nowMs) return 0;
    if (this.faults.strikes("stalled answer", 0.03)) return below(this.random, 60_000);
    return this.faults.strikes("slow answer", 0.3) ? below(this.random, 3_000) : 0;
  }

  /** Retention: of the log that all share here, of its own where every process has one. */
  async retain(): Promise<void> {
    this.isRetentionDue = false;
    await this.memoryLog?.retain();
    if (this.memoryLog) return;
    for (const process of this.processes)
      if (process?.isServing) void process.retain().catch((error: unknown) => this.#foresee(error));
  }

  metAnother(): void {
    this.faults.note("owner met another's commit");
  }

  readFails(): boolean {
    return this.faults.strikes("log read fails", 0.3);
  }

  plant(ports: LandPorts, process: SimProcess): LandPorts {
    return this.planted?.ports?.(ports, this, process) ?? ports;
  }

  /**
   * Whether nobody committed by a clock that is far ahead: beyond what clocks may differ, the log forgets removed files
   * earlier than it promises.
   */
  isClockRight(table: string): boolean {
    return (this.audits.get(table)?.table.timestampMs ?? 0) <= this.wallMs(0) + SLACK_MS;
  }

  /** Who reads a table commit by commit, and needs its files. */
  consumersOf(table: string): readonly LogConsumer[] {
    if (!this.audits.has(table)) return [];
    return [{ name: "follower", version: this.followed.get(table)?.version ?? -1 }];
  }

  /** For those who stand outside of the history. */
  outsideServices(): OutsideServices {
    const clock: Clock = {
      nowMs: () => this.wallMs(0),
      monotonicMs: () => this.scheduler.nowMs,
      sleep: async () => {},
    };
    const services = { clock, randomness: this.random, logger: silentLogger };
    return { ...services, openTable: (name) => openTableLog(this.store, name, services) };
  }

  /** Everything stands still. */
  sleep(ms: number): void {
    this.suspendedMs += ms;
    this.scheduler.nowMs += ms;
  }

  willAppend(append: PendingAppend): () => void {
    this.pending.add(append);
    return () => {
      this.pending.delete(append);
      this.isDirty = true;
    };
  }

  #appendFault(): "stored_unknown" | "lost_unknown" | "overloaded" | "full" | undefined {
    this.isDirty = true;
    if (!this.caller) return undefined; // faults meet processes only
    const { faults } = this;
    if (this.scheduler.nowMs < this.logFullUntilMs) {
      faults.note("append refused: log full");
      return "full";
    }
    if (faults.strikes("append stored, answer lost")) return "stored_unknown";
    if (faults.strikes("append lost, answer lost")) return "lost_unknown";
    return faults.strikes("append refused: overloaded") ? "overloaded" : undefined;
  }

  #storeFault(operation: string, path: string): StoreFault | undefined {
    if (!this.caller) return undefined; // faults meet processes only
    const { faults, random } = this;
    if (operation === "delete") return faults.strikes("store does not delete") ? "lost" : undefined;
    if (!operation.startsWith("put"))
      return faults.strikes("store does not answer a read", 0.3) ? "lost" : undefined;
    this.isDirty = true;
    const kind = operation === "putIfAbsent" && path.includes("/_delta_log/") ? "commit put" : "file put";
    if (faults.strikes(`${kind}: answer lost`)) return "answer_lost";
    if (faults.strikes(`${kind}: lost`)) return "lost";
    if (faults.strikes(`${kind}: applied late`)) return { afterCalls: 1 + below(random, 60) };
    return undefined;
  }

  /** Clean-up may delete versions that nobody needs: all projections have them, and a newer checkpoint. */
  #observeCommit(path: string, after: Uint8Array | undefined): void {
    if (after) return this.fail(new Error(`${path}: a version was changed`));
    const name = path.slice(0, path.indexOf("/"));
    const version = Number(path.slice(-25, -5));
    this.faults.note("table log cleaned up");
    const tables = [...this.audits.values(), ...this.projections].map(({ table }) => table);
    const table = tables.find((one) => one.name === name);
    if (!table || version >= table.version) return this.fail(new Error(`${path}: a version is gone`));
    this.oldest.set(name, Math.max(version + 1, this.oldest.get(name) ?? 0));
    this.named.delete(this.audits.get(name)?.sides.get(version) ?? "");
    if (!this.audits.has(name)) return;
    this.#cleaned.push({ table, version });
  }

  /** After everything was looked at: what was cleaned up, all projections had consumed. */
  #checkCleaned(): void {
    for (const { table, version } of this.#cleaned.splice(0))
      for (const projection of this.projections) {
        const consumed = projection.table.txns.get(`proj:${table.tableId}`) ?? -1n;
        assert(
          version <= consumed,
          `${table.name} ${version} is gone, and ${projection.table.name} needs it`,
        );
      }
  }

  #imageStore(): SimStore {
    return new SimStore({
      nowMs: () => this.scheduler.nowMs,
      fault: (operation) => {
        const isPut = operation === "put" && this.caller !== undefined;
        return isPut && this.faults.strikes("state image: put fails") ? "lost" : undefined;
      },
    });
  }

  #observeFeed(path: string, before: Uint8Array, after: Uint8Array | undefined): void {
    try {
      if (!after) this.feedAudit.checkDeleted(path, before, this.wallMs(0));
      else if (!path.endsWith("/_status.json"))
        assert.deepEqual(after, before, `${path} is written again, and is another`);
    } catch (error) {
      this.fail(error);
    }
  }

  /** What no part may ever do is seen here, whoever does it. */
  #observe(path: string, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    this.isDirty = true;
    if (!before) return;
    if (path.startsWith("_extracts/")) return this.#observeFeed(path, before, after);
    if (this.named.has(path)) this.fail(new Error(`${path}, which a commit names, is gone or another`));
    if (COMMIT.test(path)) this.#observeCommit(path, after);
    if (after && !CACHE.test(path) && !LEASE.test(path) && !path.includes("/_delta_log/"))
      this.fail(new Error(`${path} is written a second time`));
  }
}

/** Whoever is no process of ours. */
export const OUTSIDE: Actor = { name: "outside", isDead: false, pausedUntilMs: 0 };
