/**
 * Doors over every kind of log, and clients that read streams; time passes only while a test waits for something, and
 * only while the log has nothing to do: a broker takes time of its own, of which tests know nothing.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { openFileLog } from "../../../adapters/file/log.ts";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { foreignHeader } from "../../../core/foreign-header.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { landConsumer } from "../../../core/landed.ts";
import { packRecords } from "../../../core/record.ts";
import { deleteBefore, openAt, produceForeign } from "../../adapters/kafka/kafka-harness.ts";
import { type KafkaServer, startKafka } from "../../services/kafka.ts";
import { createDoor, type Door, type DoorOptions, NOW_MS } from "./door.ts";

/** Time that passes while a test looks once, ms. */
const STEP_MS = 50;
/** What does not happen within so much of the test's time does not happen, ms. */
const WAIT_MS = 200_000;

/** Between what came before and what came after, where the log's time is the machine's, ms. */
const REAL_GAP_MS = 600;
/** What is not so within so much of the machine's own time never is, ms. */
const REAL_MS = 50_000;

export interface LogKind {
  readonly name: string;
  /** Whether ingest times are the test's. A broker has its own. */
  readonly isTimed: boolean;
  open(clock: ManualClock): Promise<Log>;
  /** Writes payloads to partition 0 as somebody does who knows nothing of Muara. */
  writeForeign(log: Log, stream: string, payloads: readonly string[], hasHeaders: boolean): Promise<void>;
  /** Lets retention take the events of partition 0 before `offset`; where the log is our own, by their age. */
  expire(log: Log, stream: string, offset: number): Promise<void>;
  /** What it leaves on disk, or running. */
  clean(): Promise<void>;
}

/** Writing and expiring where the log is our own. */
const ownLog: Pick<LogKind, "isTimed" | "writeForeign" | "expire"> = {
  isTimed: true,
  writeForeign: async (log, stream, payloads, hasHeaders) => {
    const header = hasHeaders ? foreignHeader([["trace", "x"]]) : "";
    const records = payloads.map((payload) => ({ payload: new TextEncoder().encode(payload), header }));
    await log.append(stream, 0, packRecords(records));
  },
  expire: async (log, stream, offset) => {
    // Retention waits for landing, of which there is none here.
    await log.hold(landConsumer(stream), [{ stream, partition: 0, offset }]);
    await log.retain();
  },
};

/** What each log has under way. */
const underWay = new WeakMap<ManualClock, { count: number }>();

const folders: string[] = [];
/** Of logs on Kafka: what the names of their streams begin with there. */
const prefixes = new WeakMap<Log, string>();
/** One per test file. */
let broker: Promise<KafkaServer> | undefined;

export const LOG_KINDS: readonly LogKind[] = [
  {
    ...ownLog,
    name: "memory log",
    open: async (clock) => createMemoryLog({ clock, randomness: seededRandomness(3) }),
    clean: async () => undefined,
  },
  {
    ...ownLog,
    name: "file log",
    open: async (clock) => {
      const directory = await mkdtemp(join(tmpdir(), "muara-nakadi-"));
      folders.push(directory);
      return openFileLog({ directory, clock, randomness: seededRandomness(3), logger: silentLogger });
    },
    clean: async () => {
      for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
    },
  },
  {
    name: "Kafka log",
    isTimed: false,
    open: async (clock) => {
      broker ??= startKafka();
      const address = (await broker).freshAddress();
      const log = counted(await openAt(address), clock);
      prefixes.set(log, address.split("/").at(-1)!);
      return log;
    },
    writeForeign: async (log, stream, payloads, hasHeaders) =>
      produceForeign(await broker!, prefixes.get(log)! + stream, payloads, hasHeaders ? { trace: "x" } : {}),
    expire: async (log, stream, offset) => deleteBefore(await broker!, prefixes.get(log)! + stream, offset),
    clean: async () => undefined,
  },
];

afterAll(async () => (await broker)?.stop());

/** Its streams, what it has of subscriptions, and its log. */
export async function closeDoor({ streams, subscriptions, log }: Door): Promise<void> {
  streams.close();
  await subscriptions.close();
  await log.close();
}

/** The same log; the test's time stands still while it has something to do. */
function counted(log: Log, clock: ManualClock): Log {
  const work = underWay.get(clock) ?? { count: 0 };
  underWay.set(clock, work);
  return new Proxy(log, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function" || name === "waitForAppend") return bound(member, target);
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, target, args);
        if (!(result instanceof Promise)) return result;
        work.count++;
        return result.finally(() => work.count--);
      };
    },
  });
}

function bound(member: unknown, target: Log): unknown {
  return typeof member === "function" ? (member.bind(target) as unknown) : member;
}

export interface Cursor {
  readonly partition: string;
  readonly offset: string;
  readonly event_type?: string;
  readonly cursor_token?: string;
}

export interface Batch {
  readonly cursor: Cursor;
  readonly events?: readonly Record<string, unknown>[];
  readonly info?: { readonly debug: string };
}

/** A request with a bearer token; a body that is no text is sent as JSON. */
export function call(
  door: Door,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return door.fetch(
    new Request(`http://muara.test${path}`, {
      method,
      headers: {
        authorization: `Bearer ${door.admin}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    }),
  );
}

/** Lets time pass until `isSo`. @throws where it does not come to be so */
export async function until(clock: ManualClock, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = clock.monotonicMs() + WAIT_MS;
  const realEndMs = performance.now() + REAL_MS;
  const work = underWay.get(clock) ?? { count: 0 };
  while (!(await isSo())) {
    if (clock.monotonicMs() > endMs || performance.now() > realEndMs)
      throw new Error(`not so within ${WAIT_MS} ms: ${String(isSo)}`);
    // Files and timers of the machine go on, too.
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (work.count === 0) clock.advance(STEP_MS);
  }
}

/** Waits for a promise while time passes. */
export async function passed<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settled = promise.finally(() => (isSettled = true));
  settled.catch(() => undefined);
  await until(clock, () => isSettled);
  return settled;
}

/** A client that takes whatever comes. */
export class Client {
  readonly response: Response;
  readonly batches: Batch[] = [];
  readonly clock: ManualClock;
  /** Everything that came, as text. */
  text = "";
  isOver = false;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(response: Response, clock: ManualClock) {
    this.response = response;
    this.clock = clock;
    this.#reader = response.body!.getReader();
    void this.#read();
  }

  get streamId(): string {
    return this.response.headers.get("x-nakadi-streamid") ?? "";
  }

  get events(): readonly Record<string, unknown>[] {
    return this.batches.flatMap(({ events }) => events ?? []);
  }

  /** Batches with events. */
  get full(): readonly Batch[] {
    return this.batches.filter(({ events }) => events);
  }

  /** What batches say of themselves. */
  get notes(): readonly string[] {
    return this.batches.flatMap(({ info }) => info?.debug ?? []);
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        const text = decoder.decode(value, { stream: true });
        this.text += text;
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        for (const line of lines) this.batches.push(JSON.parse(line) as Batch);
      }
    } finally {
      this.isOver = true;
    }
  }

  /** Waits for so many batches with events. */
  async gets(batches: number): Promise<readonly Batch[]> {
    await until(this.clock, () => this.full.length >= batches || this.isOver);
    return this.full;
  }

  async getsEvents(events: number): Promise<readonly Record<string, unknown>[]> {
    await until(this.clock, () => this.events.length >= events || this.isOver);
    return this.events;
  }

  async ends(): Promise<void> {
    await until(this.clock, () => this.isOver);
  }

  /** Goes away. */
  async leave(): Promise<void> {
    await this.#reader.cancel();
  }
}

/** Time that passes with nothing to wait for, ms of the test's time. */
export async function pass(clock: ManualClock, ms: number): Promise<void> {
  const endMs = clock.monotonicMs() + ms;
  await until(clock, () => clock.monotonicMs() >= endMs);
}

function machineMs(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, REAL_GAP_MS));
}

/** The log's time passes, twice as far. @returns in the middle of it, ms since 1970 */
export async function apart({ isTimed }: LogKind, clock: ManualClock, ms: number): Promise<number> {
  if (isTimed) clock.advance(ms);
  else await pause();
  const midMs = isTimed ? clock.nowMs() : machineMs();
  if (isTimed) clock.advance(ms);
  else await pause();
  return midMs;
}

export async function doorOver(kind: LogKind, options: DoorOptions = {}): Promise<Door> {
  // A broker's time is the machine's, and both are compared.
  const clock = new ManualClock(kind.isTimed ? NOW_MS : machineMs());
  return createDoor({ log: await kind.open(clock), clock, ...options });
}
