/** Rows that are larger than the log's largest record: a dead letter that names the row, and nothing else suffers. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { changePlace } from "../../../core/change.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { Log } from "../../../core/ports/log.ts";
import { headerOf, keyOf, payloadOf } from "../../../core/record.ts";
import { refusalNoteOf } from "../../../core/refusal-note.ts";
import { openAt } from "../../adapters/kafka/kafka-harness.ts";
import { eventually } from "../../services/muara.ts";
import { type KafkaServer, startKafka } from "../../services/kafka.ts";
import {
  type CapturePlace,
  capturePlaces,
  type PlaceOptions,
  STREAMS_MS_MAX,
  streams,
} from "./capture-place.ts";

const STREAM = "shop.public.t";

const places = capturePlaces();
let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
}, 180_000);
afterAll(() => kafka.stop());

const open = (options: PlaceOptions): Promise<CapturePlace> =>
  places.open("CREATE TABLE t (id int PRIMARY KEY, v text)", options);

interface Stored {
  readonly key: string;
  readonly bytes: number;
  /** Of the row, where it is whole. */
  readonly v: string | undefined;
  readonly eid: string;
  readonly note: ReturnType<typeof refusalNoteOf> | undefined;
}

async function stored(log: Log, count: number): Promise<readonly Stored[]> {
  const decoder = new TextDecoder();
  const found: Stored[] = [];
  await eventually(`${count} records`, STREAMS_MS_MAX, async () => {
    found.length = 0;
    if (!(await log.stream(STREAM))) return false;
    const { endOffset } = await log.bounds(STREAM, 0);
    for (let offset = 0; offset < endOffset;) {
      const batch = await log.read(STREAM, 0, offset, 1_048_576);
      for (let i = 0; i < batch.count; i++) {
        const text = decoder.decode(payloadOf(batch, i)!);
        const isRefused = decoder.decode(headerOf(batch, i)).startsWith('{"refused":');
        found.push({
          key: decoder.decode(keyOf(batch, i)!),
          bytes: text.length,
          v: isRefused ? undefined : (JSON.parse(text) as { data: { v: string } }).data.v,
          eid: text.slice(20, 56),
          note: isRefused ? refusalNoteOf(headerOf(batch, i)) : undefined,
        });
      }
      offset = batch.next;
    }
    return found.length >= count;
  });
  return found;
}

test("one byte more than the log takes, and the row is named in its place; those beside it are whole", async () => {
  const limit = 3_000;
  const place = await open({
    wrap: (log) =>
      new Proxy(log, {
        get: (target, key) => {
          const value = Reflect.get(target, key, target) as unknown;
          if (typeof value !== "function") return value;
          if (key !== "append") return value.bind(target) as unknown;
          return async (...args: Parameters<Log["append"]>) => {
            const [stream, , batch] = args;
            const lengths = Array.from({ length: batch.count }, (_, i) => payloadOf(batch, i)?.length ?? 0);
            if (stream === STREAM && Math.max(...lengths) > limit)
              throw new MuaraError("log.batch_too_large", "too large");
            return target.append(...args);
          };
        },
      }),
  });
  await place.declare("shop");
  const first = await place.start();
  await place.until("shop", "streams", streams);
  await place.sql("INSERT INTO t SELECT g, repeat('v', g) FROM generate_series(2600, 2900) g");
  const records = await stored(place.log, 301);
  expect(records.map(({ key }) => key)).toEqual(records.map((_, i) => `["shop",${2_600 + i}]`));
  // All of one transaction: each has one byte more than the one before, but for digits of the index.
  const whole = records.filter(({ v }) => v !== undefined);
  const refused = records.filter(({ note }) => note !== undefined);
  expect(Math.max(...whole.map(({ bytes }) => bytes))).toBe(limit);
  expect(whole.every(({ v }, i) => v!.length === 2_600 + i)).toBe(true);
  const [least] = refused;
  expect(refused.length + whole.length).toBe(301);
  expect(least!.note).toMatchObject({ code: "event.too_large", pointer: null });
  const { lsn, index } = changePlace(least!.eid)!;
  expect(least!.note!.detail).toContain(`${least!.key} at ${lsn}, index ${index} has ${limit + 1} bytes`);
  expect((await place.state("shop"))!.problem).toBeNull();
  // What is sent again is left out, refused or not.
  await first.stop();
  await place.start();
  await place.sql("INSERT INTO t VALUES (1, 'small')");
  expect((await stored(place.log, 302)).map(({ key }) => key).slice(300)).toEqual([
    '["shop",2900]',
    '["shop",1]',
  ]);
}, 60_000);

test("on Kafka, where a record is at most 16 MiB; in a copy, too", async () => {
  const log = await openAt(kafka.freshAddress());
  const place = await open({ log });
  const insert = async (id: number, bytes: number): Promise<void> => {
    const noise = Buffer.concat(
      Array.from({ length: bytes / 65_536 }, () =>
        Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))),
      ),
    );
    const text = `INSERT INTO t VALUES (${id}, encode($1::bytea, 'base64'))`;
    await places.server.sql(text, [noise], place.database);
  };
  await insert(1, 24 * 1_048_576);
  await place.sql("INSERT INTO t VALUES (2, 'beside it')");
  await place.declare("shop", { copy: "initial" });
  await place.start();
  await place.until("shop", "has copied", (one) => streams(one) && one.tables["public.t"]?.copy === "done");
  await insert(3, 24 * 1_048_576);
  await place.sql("INSERT INTO t VALUES (4, 'behind it')");
  const records = await stored(log, 4);
  expect(records.map(({ key, v, note }) => [key, v, note?.code])).toEqual([
    ['["shop",1]', undefined, "event.too_large"],
    ['["shop",2]', "beside it", undefined],
    ['["shop",3]', undefined, "event.too_large"],
    ['["shop",4]', "behind it", undefined],
  ]);
  await place.close();
  await log.close();
}, 120_000);
