/**
 * One process as `muara start` would run it: door, landing worker and projector over one log and one store. Each of
 * its calls to a port passes through its life (life.ts).
 */
import type { Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { Kernel } from "../../core/kernel.ts";
import { type IdentitySet, type IdentitySetOptions } from "../../core/kernel-set.ts";
import type { ScanLimits, ScanPath, ScanPlan } from "../../core/kernel-plan.ts";
import { silentLogger } from "../../core/logger.ts";
import type { Appended, Log } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableLog } from "../../core/ports/table-log.ts";
import type { RecordBatch } from "../../core/record.ts";
import { soleOwnership } from "../../core/ports/ownership.ts";
import { Registry } from "../../core/registry.ts";
import { createLogKeeper } from "../../lake/log-keeper.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { createIngestApp } from "../../workers/ingest/app.ts";
import { createCommitBudget } from "../../workers/land/commit-budget.ts";
import type { LandOptions, LandPorts } from "../../workers/land/options.ts";
import { createProjector } from "../../workers/land/projector.ts";
import { createLandWorker, type LandWorker } from "../../workers/land/worker.ts";
import { type Fate, Life } from "./life.ts";
import type { Through } from "./sim-disk.ts";
import type { SimStore } from "./sim-store.ts";
import { never } from "./scheduler.ts";

const HOLD_MS = 1e12; // no jump of a clock gets there
const LIMITS = { eventBytes: 20_000, bodyBytes: 1_000_000, batchEvents: 1_000, depth: 16 };

/** A kernel that can be emptied: one lives through all the processes of its slot, since making one is dear. */
export class SlotKernel extends Kernel {
  readonly #held = new Set<{ destroy(): void }>();

  override plan(paths: readonly ScanPath[], limits: ScanLimits): ScanPlan {
    return this.#keep(super.plan(paths, limits));
  }

  override createIdentitySet(options?: IdentitySetOptions): IdentitySet {
    return this.#keep(super.createIdentitySet(options));
  }

  #keep<Held extends { destroy(): void }>(held: Held): Held {
    this.#held.add(held);
    const destroy = held.destroy.bind(held);
    held.destroy = () => {
      if (this.#held.delete(held)) destroy();
    };
    return held;
  }

  /** Takes everything from a process that is no more. */
  empty(): void {
    for (const held of this.#held) held.destroy();
  }
}

/** On its way to the log, not durable yet. */
export interface PendingAppend {
  readonly process: SimProcess;
  readonly stream: string;
  readonly partition: number;
  readonly batch: RecordBatch;
}

/** What processes share: the outside world. */
export interface Outside extends Fate {
  /** What a process opens as its log; `through` leads its disk through the process. */
  openLog(process: SimProcess, through: Through): Promise<Log>;
  closeLog(log: Log): Promise<void>;
  readonly store: ObjectStore;
  readonly options: LandOptions;
  readonly projectMs: number;
  readonly emptyVersionsMax: number;
  /** How often table logs are cleaned up. */
  readonly keepLogsMs: number;
  readFails(): boolean;
  plant(ports: LandPorts, process: SimProcess): LandPorts;
  willAppend(append: PendingAppend): () => void;
  /** It is gone; `problem` where that was not foreseen. */
  ended(process: SimProcess, problem?: unknown): void;
}

export interface Slot {
  readonly name: string;
  readonly kernel: SlotKernel;
  /** Where its machine keeps state images. */
  readonly images: SimStore;
  /** ms that its wall clock is off. */
  wallOffsetMs: number;
  starts: number;
}

export class SimProcess extends Life {
  readonly slot: Slot;
  worker: LandWorker | undefined;
  /** Its log, without its steps: for those who only look. */
  log: Log | undefined;
  /** Whether the machine goes down with it. */
  losesPower = false;
  #ports: LandPorts | undefined;
  #fetch: ((request: Request) => Response | Promise<Response>) | undefined;
  readonly #outside: Outside;
  readonly #stop = new AbortController();

  constructor(outside: Outside, slot: Slot, randomness: Randomness) {
    super(outside, `${slot.name}${++slot.starts}`, randomness, () => slot.wallOffsetMs);
    this.#outside = outside;
    this.slot = slot;
  }

  get isServing(): boolean {
    return this.#fetch !== undefined && !this.isDead && !this.#stop.signal.aborted;
  }

  /** Until it is stopped or dead. */
  async run(): Promise<void> {
    try {
      await this.#run();
      this.crash();
    } catch (error) {
      if (!this.isDead) this.end(error);
    }
  }

  async #run(): Promise<void> {
    const { options, projectMs, keepLogsMs } = this.#outside;
    const { clock, randomness, slot } = this;
    const signal = this.#stop.signal;
    const store = this.storeView(this.#outside.store);
    const state = this.storeView(slot.images);
    const services = { clock, randomness, logger: silentLogger };
    const openTable = (name: string): TableLog => openTableLog(store, name, services);
    this.log = await this.#outside.openLog(this, (call) => this.through(call));
    const base: LandPorts = {
      log: this.#logView(this.log),
      store,
      state,
      kernel: slot.kernel,
      openTable,
      ...services,
    };
    const ports = this.#outside.plant(base, this);
    this.#ports = ports;
    const registry = await Registry.open(ports.log, this.name, clock);
    const app = createIngestApp({ ...base, registry, authenticator: null }, { limits: LIMITS });
    const budget = createCommitBudget(clock, {
      commitMs: options.commitMs,
      commitMsMax: options.commitMsMax ?? options.commitMs,
      commitsPerSecond: options.commitsPerSecond ?? 1_000,
    });
    this.worker = createLandWorker({ ...ports, registry, ownership: soleOwnership, budget }, options);
    const projector = createProjector({ ...ports, registry, budget }, this.#outside);
    this.#fetch = (request) => app.fetch(request);
    const keeper = createLogKeeper({ ...ports, registry }, { everyMs: keepLogsMs, holdMs: HOLD_MS });
    await Promise.all([this.worker.run(signal), projector.run(projectMs, signal), keeper.run(signal)]);
    await this.worker.drain();
    await projector.drain();
    const { log } = this;
    this.log = undefined; // nobody may look into a log that is being closed
    await this.#outside.closeLog(log);
  }

  /** @returns undefined where it ended before it answered */
  async fetch(path: string, body: string | Uint8Array): Promise<Response | undefined> {
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const answer = this.#fetch!(requestOf(path, bytes));
    return Promise.race([answer, this.gone]);
  }

  /** What a timer does in a real process. */
  async retain(): Promise<void> {
    await this.#ports?.log.retain();
  }

  /** Beside the door. */
  async append(...given: Parameters<Log["append"]>): Promise<Appended | undefined> {
    return Promise.race([this.#ports!.log.append(...given), this.gone]);
  }

  /** After something was written to its disk: where the power fails, it likes to fail here. */
  async wrote(): Promise<void> {
    if (!this.losesPower || this.#outside.random.fraction() > 0.2) return;
    this.crash();
    await never();
  }

  /** SIGTERM. */
  stop(): void {
    this.#stop.abort();
  }

  protected override onEnd(problem: unknown): void {
    this.#outside.ended(this, problem);
  }

  #logView(log: Log): Log {
    const outside = this.#outside;
    const alive = <Answer>(call: () => Promise<Answer>): Promise<Answer> => this.through(call);
    const read = <Answer>(call: () => Promise<Answer>): Promise<Answer> =>
      this.through(async () => {
        if (outside.readFails()) throw new MuaraError("log.overloaded", "the log does not answer");
        return call();
      });
    return {
      id: log.id,
      get appendCount() {
        return log.appendCount;
      },
      createStream: (name, options) => alive(() => log.createStream(name, options)),
      alterStream: (name, options) => alive(() => log.alterStream(name, options)),
      deleteStream: (name, topicId) => alive(() => log.deleteStream(name, topicId)),
      stream: (name) => alive(() => log.stream(name)),
      listStreams: () => alive(() => log.listStreams()),
      append: async (stream, partition, batch, producer) => {
        const settle = outside.willAppend({ process: this, stream, partition, batch });
        try {
          return await alive(() => log.append(stream, partition, batch, producer).finally(settle));
        } finally {
          settle();
        }
      },
      read: (...place) => read(() => log.read(...place)),
      bounds: (...place) => read(() => log.bounds(...place)),
      offsetAt: (...place) => read(() => log.offsetAt(...place)),
      accepted: (stream) => alive(() => log.accepted(stream)),
      hold: (...holds) => alive(() => log.hold(...holds)),
      isHolding: (consumer) => alive(() => log.isHolding(consumer)),
      retain: () => alive(() => log.retain()),
      waitForAppend: async (seen, signal) => {
        await log.waitForAppend(seen, signal);
        await this.step();
      },
      close: () => alive(async () => {}),
    };
  }
}

/** As much of a request as the door looks at; a real one costs more than the rest of the door. */
function requestOf(path: string, body: Uint8Array): Request {
  const given = new Map([
    ["content-type", "application/json"],
    ["content-length", String(body.length)],
  ]);
  const headers = { get: (name: string) => given.get(name) ?? null };
  const arrayBuffer = async (): Promise<ArrayBuffer> => new Uint8Array(body).buffer;
  const request = { method: "POST", url: `http://muara.test${path}`, headers, arrayBuffer };
  return request as unknown as Request;
}
