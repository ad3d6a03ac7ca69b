/** Doors over every kind of log, and clients that read streams; time passes only while a test waits for something. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { openFileLog } from "../../../adapters/file/log.ts";
import { parseKafkaAddress } from "../../../adapters/kafka/address.ts";
import { openKafkaLog } from "../../../adapters/kafka/log.ts";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import { ManualClock, seededRandomness, systemClock } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { type KafkaServer, startKafka } from "../../services/kafka.ts";
import { createDoor, type Door, type DoorOptions, NOW_MS } from "./door.ts";

/** Time that passes while a test looks once, ms. */
const STEP_MS = 50;
/** What does not happen within so much of the test's time does not happen, ms. */
const WAIT_MS = 200_000;

export interface LogKind {
  readonly name: string;
  open(clock: ManualClock): Promise<Log>;
  /** What it leaves on disk. */
  clean(): Promise<void>;
}

const folders: string[] = [];

export const LOG_KINDS: readonly LogKind[] = [
  {
    name: "memory log",
    open: async (clock) => createMemoryLog({ clock, randomness: seededRandomness(3) }),
    clean: async () => undefined,
  },
  {
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
];

/**
 * The same on a real broker, started once per file: call it at the top of the file, and describe each of `LOG_KINDS`
 * and this. Each log has names of its own there.
 */
export function kafkaKind(): LogKind {
  let server: KafkaServer | undefined;
  beforeAll(async () => {
    server = await startKafka();
  }, 180_000);
  afterAll(() => server?.stop());
  const logs: Log[] = [];
  return {
    name: "Kafka log",
    open: async (clock) => {
      const { brokers, prefix, replicas } = parseKafkaAddress(server!.freshAddress());
      // The broker's times are its own; what waits here waits in real time.
      const real = { ...systemClock, nowMs: () => clock.nowMs() };
      const log = await openKafkaLog({ brokers, prefix, replicas, security: {}, clock: real });
      logs.push(log);
      return log;
    },
    clean: async () => {
      for (const log of logs.splice(0)) await log.close();
    },
  };
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
  while (!(await isSo())) {
    if (clock.monotonicMs() > endMs) throw new Error(`not so within ${WAIT_MS} ms: ${String(isSo)}`);
    // Files and timers of the machine go on, too.
    await new Promise((resolve) => setTimeout(resolve, 1));
    clock.advance(STEP_MS);
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

export async function doorOver(kind: LogKind, options: DoorOptions = {}): Promise<Door> {
  const clock = new ManualClock(NOW_MS);
  return createDoor({ log: await kind.open(clock), clock, ...options });
}
