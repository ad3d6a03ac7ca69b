/** Captures of a real database into a log in memory, by as many workers as a test wants. */
import { afterAll, afterEach, beforeAll } from "vitest";
import { openDatabase } from "../../../adapters/pg/database.ts";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import type { Capture, CaptureState } from "../../../core/capture.ts";
import { type Clock, systemClock, systemRandomness } from "../../../core/clock.ts";
import { resolveConfig } from "../../../core/config.ts";
import { databaseAddressSchema } from "../../../core/database-address.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { SourceMessage } from "../../../core/ports/source.ts";
import type { OpenSource } from "../../../core/ports/source-database.ts";
import { headerOf, keyOf, payloadOf } from "../../../core/record.ts";
import { Registry } from "../../../core/registry.ts";
import { type CaptureWorker, createCaptureWorker } from "../../../workers/capture/worker.ts";
import { eventually } from "../../services/muara.ts";
import { type PostgresServer, startPostgres } from "../../services/postgres.ts";

export const STREAMS_MS_MAX = 60_000;

export interface ChangeRecord {
  readonly metadata: { readonly eid: string };
  readonly data_op: string;
  readonly data_type: string;
  readonly source: {
    readonly shard: string;
    readonly incarnation: number;
    readonly lsn: number;
    readonly index: number;
    readonly change: string;
  };
  readonly data: Readonly<Record<string, unknown>>;
  readonly partition: number;
  readonly key: string | null;
  readonly header: Readonly<Record<string, unknown>>;
}

export interface RunningWorker {
  readonly worker: CaptureWorker;
  readonly registry: Registry;
  /** As a stop does; resolves when it is over. */
  stop(): Promise<void>;
}

export interface CapturePlace {
  readonly log: Log;
  readonly database: string;
  readonly registry: Registry;
  readonly openSource: OpenSource;
  readonly messages: SourceMessage[];
  /** Wall clocks go on by so much at once. */
  shift(ms: number): void;
  sql(text: string): Promise<Record<string, unknown>[]>;
  /** A stopped worker's connection may have it for another moment. */
  dropSlot(slot: string): Promise<void>;
  declare(name: string, more?: Partial<Capture>): Promise<Capture>;
  change(name: string, change: (capture: Capture) => Capture | null): Promise<void>;
  state(name: string): Promise<CaptureState | undefined>;
  start(): Promise<RunningWorker>;
  /** Until the capture is so. */
  until(name: string, what: string, isSo: (state: CaptureState) => boolean): Promise<CaptureState>;
  records(eventType: string): Promise<ChangeRecord[]>;
  /** Until the event type has so many records. */
  landed(eventType: string, count: number): Promise<ChangeRecord[]>;
  close(): Promise<void>;
}

export interface PlaceOptions {
  /** Instead of one in memory. */
  readonly log?: Log;
  /** Wraps the log that workers append to. */
  readonly wrap?: (log: Log) => Log;
  readonly capture?: Record<string, number>;
  readonly openSource?: (open: OpenSource) => OpenSource;
}

export interface CapturePlaces {
  readonly server: PostgresServer;
  open(ddl: string, options?: PlaceOptions): Promise<CapturePlace>;
}

/** A server for the tests of a file, with databases that are gone after each. @param settings of the server */
export function capturePlaces(settings: Readonly<Record<string, string>> = {}): CapturePlaces {
  let server: PostgresServer;
  const places: CapturePlace[] = [];
  beforeAll(async () => {
    server = await startPostgres(settings);
  }, 60_000);
  afterAll(() => server.stop());
  afterEach(async () => {
    for (const place of places.splice(0)) await place.close();
  });
  return {
    get server() {
      return server;
    },
    open: async (ddl, options = {}) => {
      const place = await makeCapturePlace(server, ddl, options);
      places.push(place);
      return place;
    },
  };
}

async function makeCapturePlace(
  server: PostgresServer,
  ddl: string,
  options: PlaceOptions = {},
): Promise<CapturePlace> {
  const database = await server.freshDatabase();
  const sql = (text: string): Promise<Record<string, unknown>[]> => server.sql(text, [], database);
  await sql(ddl);
  let shiftMs = 0;
  const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + shiftMs };
  const services = {
    clock,
    randomness: systemRandomness,
    logger: silentLogger,
    onFatal: () => undefined,
  };
  const plain = options.log ?? createMemoryLog(services);
  const log = options.wrap?.(plain) ?? plain;
  const registry = await Registry.open(plain, systemRandomness.uuid(), clock);
  const { host, port, user } = server;
  const address = databaseAddressSchema.parse({ host, port, user, database });
  const plainSource: OpenSource = async () =>
    openDatabase(address, { readSecret: async () => "", clock: systemClock });
  const openSource = options.openSource?.(plainSource) ?? plainSource;
  const { config } = resolveConfig({
    environment: {},
    file: { capture: { statusMs: 100, batchMs: 10, pauseMsMax: 300, silentMs: 3_000, ...options.capture } },
  });
  const running: RunningWorker[] = [];
  const messages: SourceMessage[] = [];
  const place: CapturePlace = {
    log: plain,
    database,
    registry,
    openSource,
    messages,
    shift: (ms) => void (shiftMs += ms),
    sql,
    dropSlot: async (slot) => {
      await eventually("nobody reads the slot", STREAMS_MS_MAX, async () => {
        const active = `SELECT 1 FROM pg_replication_slots WHERE slot_name = '${slot}' AND active`;
        return (await sql(active)).length === 0;
      });
      await sql(`SELECT pg_drop_replication_slot('${slot}')`);
    },
    declare: async (name, more = {}) => {
      const capture: Capture = {
        name,
        database: "shop",
        shard: name,
        tables: ["public.t"],
        prefix: "shop",
        keys: "shard",
        copy: "none",
        heartbeat: false,
        owning_application: "tests",
        messages: {},
        description: "",
        id: systemRandomness.uuid().replaceAll("-", "").slice(0, 12),
        isPaused: false,
        by: "token:tester",
        createdMs: clock.nowMs(),
        ...more,
      };
      await registry.refresh();
      await registry.put("capture", name, 0, capture);
      return capture;
    },
    change: async (name, change) => {
      await registry.refresh();
      const { value, revision } = registry.get<Capture>("capture", name)!;
      await registry.put("capture", name, revision, change(value!));
    },
    state: async (name) => {
      await registry.refresh();
      return registry.get<CaptureState>("capture-state", name)?.value ?? undefined;
    },
    start: async () => {
      const own = await Registry.open(log, systemRandomness.uuid(), clock);
      const abort = new AbortController();
      const worker = createCaptureWorker(
        {
          ...services,
          log,
          registry: own,
          openSource,
          publish: async (_capture, _incarnation, sent) => void messages.push(...sent),
        },
        config.capture,
      );
      const follow = (async () => {
        while (!abort.signal.aborted) {
          await own.refresh().catch(() => undefined);
          await systemClock.sleep(50, abort.signal);
        }
      })();
      const done = Promise.all([worker.run(abort.signal), follow]);
      const one: RunningWorker = {
        worker,
        registry: own,
        stop: async () => {
          abort.abort();
          await done;
        },
      };
      running.push(one);
      return one;
    },
    until: async (name, what, isSo) => {
      let state: CaptureState | undefined;
      await eventually(`${name} ${what}: ${JSON.stringify(state)}`, STREAMS_MS_MAX, async () => {
        state = await place.state(name);
        return state !== undefined && isSo(state);
      }).catch((error: unknown) => {
        throw new Error(`${String(error)}: ${JSON.stringify(state)}`);
      });
      return state!;
    },
    records: (eventType) => recordsOf(plain, eventType),
    landed: async (eventType, count) => {
      await eventually(`${count} records of ${eventType}`, STREAMS_MS_MAX, async () => {
        return (await recordsOf(plain, eventType)).length >= count;
      }).catch(async (error: unknown) => {
        throw new Error(`${String(error)}: ${(await recordsOf(plain, eventType)).length}`);
      });
      return recordsOf(plain, eventType);
    },
    close: async () => {
      await Promise.allSettled(running.map((one) => one.stop()));
    },
  };
  return place;
}

export function streams(state: CaptureState): boolean {
  return state.phase === "streaming" && state.problem === null;
}

async function recordsOf(log: Log, eventType: string): Promise<ChangeRecord[]> {
  const stream = await log.stream(eventType);
  if (!stream) return [];
  const decoder = new TextDecoder();
  const records: ChangeRecord[] = [];
  for (let partition = 0; partition < stream.partitions; partition++) {
    let { startOffset: offset } = await log.bounds(eventType, partition);
    const { endOffset } = await log.bounds(eventType, partition);
    while (offset < endOffset) {
      const batch = await log.read(eventType, partition, offset, 1_048_576);
      for (let i = 0; i < batch.count; i++) {
        const key = keyOf(batch, i);
        records.push({
          ...(JSON.parse(decoder.decode(payloadOf(batch, i)!)) as ChangeRecord),
          partition,
          key: key && decoder.decode(key),
          header: JSON.parse(decoder.decode(headerOf(batch, i))) as Record<string, unknown>,
        });
      }
      offset = batch.next;
    }
  }
  return records;
}
