/**
 * One world for a landing history: a log with gaps, a store with faults, up to two owners of one table, other
 * writers, and a clock that nobody has to wait for. Each owner sees the store through a view of its own, so that a
 * crash can cut it off between any two of its steps.
 */
import { readFileSync } from "node:fs";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import { createMemoryObjectStore, type MemoryFault } from "../../adapters/memory/object-store.ts";
import { type Clock, type Randomness, seededRandomness } from "../../core/clock.ts";
import type { EventType } from "../../core/event-type.ts";
import { createKernel, type Kernel } from "../../core/kernel.ts";
import { silentLogger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableLog } from "../../core/ports/table-log.ts";
import { packRecords } from "../../core/record.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { remedyOf } from "../../workers/land/failure.ts";
import type { LandOptions, LandPorts } from "../../workers/land/options.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";
import { createGappyLog, type GappyLog } from "./gappy-log.ts";
import { below, DEPTH, EventSource, pick, TYPE_KINDS, type TypeKind, typeOf } from "./landing-events.ts";
import { LandingModel } from "./landing-model.ts";

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 2, 1, 22, 30);

export const kernel: Kernel = createKernel(
  new WebAssembly.Module(readFileSync(new URL("../../core-as/kernel.wasm", import.meta.url))),
  new Uint8Array(16).fill(3),
);

/** Changes what landing is given, to plant a bug. */
export type Plant = (ports: LandPorts) => LandPorts;

/** The process is gone; nothing that it still meant to do happens. */
export class Crash extends Error {}

export class SimulatedClock implements Clock {
  /** Monotonic ms. */
  ms = 0;
  wallMs = START_MS;
  hasJumped = false;
  nowMs(): number {
    return this.wallMs;
  }
  monotonicMs(): number {
    return this.ms;
  }
  advance(ms: number): void {
    this.ms += ms;
    this.wallMs += ms;
  }
  /** The wall clock is set, as by an administrator. */
  jump(ms: number): void {
    this.wallMs += ms;
    this.hasJumped = true;
  }
  async sleep(ms: number): Promise<void> {
    await Promise.resolve();
    this.advance(Math.ceil(ms));
  }
}

export interface Owner {
  readonly name: string;
  readonly ports: LandPorts;
  /** Its folder of state images, without faults. */
  readonly images: ObjectStore;
  landing: TableLanding | undefined;
  isDead: boolean;
  /** Store calls until it crashes; Infinity: never. */
  callsLeft: number;
  /** Aborts its step at this many store calls from now. */
  abortIn: number;
  abort: AbortController;
}

export class LandingWorld {
  readonly seed: number;
  readonly random: Randomness;
  readonly clock = new SimulatedClock();
  readonly kind: TypeKind;
  readonly type: EventType;
  readonly options: LandOptions;
  readonly model: LandingModel;
  readonly log: GappyLog;
  /** Without faults. */
  readonly store: ObjectStore;
  readonly table: TableLog;
  readonly owners: Owner[];
  readonly events: EventSource;
  /** Paths that a commit has named: none of them may be deleted. */
  readonly named = new Set<string>();
  faultRate: number;
  /** Of the writes that claim a version. */
  commitFaultRate = 0;
  applyLate: () => void;
  #view = "";
  #isHealed = true;

  /** @param base the lake's store instead of one in memory; it has no faults of its own */
  constructor(seed: number, plant: Plant = (ports) => ports, base?: ObjectStore) {
    this.seed = seed;
    const random = (this.random = seededRandomness(seed));
    this.kind = pick(random, TYPE_KINDS);
    this.type = typeOf(this.kind);
    this.events = new EventSource(random, this.kind);
    const partitions = 1 + below(random, 3);
    const isShort = random.fraction() < 0.3;
    this.options = {
      commitMs: 500,
      commitBytes: pick(random, [1_500, 1 << 20]),
      commitRows: pick(random, [3, 20, 1_000]),
      horizonMs: isShort ? 2 * HOUR_MS : 48 * HOUR_MS,
      generationMs: isShort ? HOUR_MS / 2 : 12 * HOUR_MS,
      disorderMs: 5_000,
      idleAfterMs: 60_000,
      skewMs: HOUR_MS,
      eventBytes: 999_000,
      depth: DEPTH,
      imageIds: pick(random, [2, 10, 1_000]),
      imageCommits: pick(random, [1, 3, 10]),
    };
    this.model = new LandingModel({ ...this.options, partitions, hasIds: this.kind !== "plain" });
    this.faultRate = pick(random, [0, 0.05, 0.2, 0.4]);
    const memory = base ? { ...base, applyLate: () => {} } : this.#memoryStore();
    this.applyLate = () => memory.applyLate();
    this.store = this.#viewOf(memory, "outside", () => {});
    const logRandom = seededRandomness(seed + 1);
    const memoryLog = createMemoryLog({ clock: this.clock, randomness: logRandom });
    this.log = createGappyLog(memoryLog, () => !this.#isHealed && random.fraction() < this.faultRate / 10);
    this.table = openTableLog(this.store, this.type.name, this.#services(2));
    this.owners = ["a", "b"].map((name, i) => this.#owner(name, memory, 3 + i, plant));
  }

  async start(): Promise<void> {
    await this.log.createStream(this.type.name, {
      partitions: this.model.partitions.length,
      cleanup: "delete",
      retentionMs: 20 * HOUR_MS,
    });
    // Until an owner has opened the table nothing else keeps the log from removing what has not landed.
    const holds = this.model.partitions.map((_, partition) => ({
      stream: this.type.name,
      partition,
      offset: 0,
    }));
    await this.log.hold(`land:${this.type.name}`, holds);
  }

  /** Appends a few events to one partition, and tells the model. */
  async publish(): Promise<void> {
    const { random, model } = this;
    const partition = below(random, model.partitions.length);
    const drafts = Array.from({ length: 1 + below(random, 6) }, () => this.events.draw(this.clock.nowMs()));
    const { offset, ingestMs } = await this.log.publish(this.type.name, partition, packRecords(drafts));
    drafts.forEach((draft, i) => model.append({ ...draft, partition, offset: offset + i, ingestMs }));
  }

  /**
   * One step of an owner under faults, as the worker would make it.
   * @throws what would stop the table
   */
  async step(owner: Owner): Promise<void> {
    owner.abort = new AbortController();
    const wasOpen = owner.landing !== undefined;
    this.#isHealed = false;
    try {
      owner.landing ??= await TableLanding.open(owner.ports, this.options, this.type);
      await owner.landing.step(owner.abort.signal);
    } catch (error) {
      const remedy = error instanceof Crash ? "reload" : remedyOf(error, wasOpen);
      if (remedy === "stop") throw error;
      const isKept = remedy === "retry" && owner.landing?.isUsable && !owner.abort.signal.aborted;
      if (!isKept || owner.isDead) this.drop(owner);
    } finally {
      owner.abortIn = Infinity;
      if (owner.isDead) this.drop(owner);
    }
  }

  /** Its memory is gone; the next step starts a new process. */
  drop(owner: Owner): void {
    owner.landing?.discard();
    owner.landing = undefined;
    owner.isDead = false;
    owner.callsLeft = Infinity;
  }

  #owner(name: string, memory: ObjectStore, salt: number, plant: Plant): Owner {
    const services = this.#services(salt);
    const store = this.#viewOf(memory, name, () => this.#countCall(owner));
    const images = this.#memoryStore();
    const ports: LandPorts = {
      log: this.log,
      store,
      state: this.#viewOf(images, name, () => this.#countCall(owner)),
      openTable: (table) => openTableLog(store, table, services),
      kernel,
      ...services,
    };
    const owner: Owner = {
      name,
      ports: plant(ports),
      images: this.#viewOf(images, "outside", () => {}),
      landing: undefined,
      isDead: false,
      callsLeft: Infinity,
      abortIn: Infinity,
      abort: new AbortController(),
    };
    return owner;
  }

  #memoryStore() {
    return createMemoryObjectStore({
      clock: this.clock,
      faults: (operation) => this.#fault(operation),
    });
  }

  #services(salt: number) {
    return {
      clock: this.clock,
      randomness: seededRandomness(this.seed * 31 + salt),
      logger: silentLogger,
    };
  }

  #countCall(owner: Owner): void {
    if (--owner.abortIn <= 0) owner.abort.abort();
    if (--owner.callsLeft <= 0) owner.isDead = true;
    if (owner.isDead) throw new Crash(`${owner.name} crashed`);
  }

  /** The store as one process sees it. */
  #viewOf(store: ObjectStore, name: string, before: () => void): ObjectStore {
    const through =
      <Arguments extends unknown[], Answer>(call: (...given: Arguments) => Promise<Answer>) =>
      async (...given: Arguments): Promise<Answer> => {
        before();
        this.#view = name; // the store asks for faults before it first waits
        const answer = await call(...given);
        if (name !== "outside") before();
        return answer;
      };
    return {
      location: (path) => store.location(path),
      put: through((path: string, bytes: Uint8Array) => store.put(path, bytes)),
      putIfAbsent: through((path: string, bytes: Uint8Array) => store.putIfAbsent(path, bytes)),
      putIfMatch: through((path: string, bytes: Uint8Array, etag: string) =>
        store.putIfMatch(path, bytes, etag),
      ),
      get: through((path: string) => store.get(path)),
      getRange: through((path: string, at: number, length: number) => store.getRange(path, at, length)),
      head: through((path: string) => store.head(path)),
      list: through((prefix: string) => store.list(prefix)),
      delete: through(async (path: string) => {
        if (this.named.has(path)) throw new Error(`${name} deletes ${path}, which a commit names`);
        await store.delete(path);
      }),
    };
  }

  async #fault(operation: string): Promise<MemoryFault | undefined> {
    const { random } = this;
    const isSpared = this.#view === "outside" || this.#isHealed;
    for (let turns = below(random, 4); turns > 0; turns--) await Promise.resolve();
    const rate =
      operation === "putIfAbsent" ? Math.max(this.faultRate, this.commitFaultRate) : this.faultRate;
    if (isSpared || random.fraction() >= rate) return undefined;
    if (!operation.startsWith("put")) return "lost";
    const dice = random.fraction();
    if (dice < 0.3) return "lost";
    return dice < 0.65 ? "answer_lost" : { kind: "late", afterCalls: 1 + below(random, 40) };
  }
}
