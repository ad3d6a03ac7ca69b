/** Generated requests: what lands in the log, where, and what the books say. */
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { createDoor, declaration, type Door } from "./door.ts";

let door: Door;
let serial = 0;

beforeAll(async () => {
  door = await createDoor();
});

/** Java's hash in big integers, and Nakadi's choice of a partition: independent of core/partition.ts. */
function partitionModel(keys: readonly string[], count: number): number {
  let sum = 0n;
  for (const key of keys) {
    let hash = 0n;
    for (let i = 0; i < key.length; i++) hash = BigInt.asIntN(32, hash * 31n + BigInt(key.charCodeAt(i)));
    sum = BigInt.asIntN(32, sum + hash);
  }
  const remainder = sum % BigInt(count);
  const names = Array.from({ length: count }, (_, i) => String(i)).sort((a, b) => (a < b ? -1 : 1));
  return Number(names[Number(remainder < 0n ? -remainder : remainder)]);
}

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const scalar = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null));
/** How a key's value reads as text: a string itself, anything else its JSON. */
const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** JSON; of a string, where `isEscaped`, every UTF-16 unit as an escape. */
function written(value: unknown, isEscaped: boolean): string {
  if (!isEscaped || typeof value !== "string") return JSON.stringify(value);
  const units = Array.from({ length: value.length }, (_, i) => value.charCodeAt(i).toString(16));
  return `"${units.map((unit) => `\\u${unit.padStart(4, "0")}`).join("")}"`;
}

test("hash partitioning and keys equal an independent model", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 64 }),
      fc.boolean(),
      fc.array(fc.tuple(scalar, scalar, fc.boolean()), { minLength: 1, maxLength: 12 }),
      async (partitions, isData, rows) => {
        const name = `keyed.t${serial++}`;
        const declared = declaration(name, {
          category: isData ? "data" : "undefined",
          schema: { properties: { a: {}, b: { properties: { c: {} } } } },
          partition_strategy: "hash",
          partition_key_fields: ["a", "b.c"],
          default_statistic: { read_parallelism: partitions, write_parallelism: 1 },
        });
        expect((await door.declare(declared)).status).toBe(201);
        const body = rows.map(([a, c, isEscaped], n) => {
          const payload = `{"n":${n},"a":${written(a, isEscaped)},"b":{"c":${written(c, !isEscaped)}}}`;
          const eid = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
          const metadata = `{"eid":"${eid}","occurred_at":"2026-03-01T00:00:00Z"}`;
          return isData
            ? `{"metadata":${metadata},"data_op":"C","data_type":"t","data":${payload}}`
            : payload;
        });
        expect((await door.publish(name, `[${body.join()}]`)).status).toBe(200);
        const found = await door.stored(name);
        expect(found).toHaveLength(rows.length);
        for (const { partition, payload, key } of found) {
          const event = JSON.parse(payload) as { n: number; data?: { n: number } };
          const [a, c] = rows[(event.data ?? event).n]!;
          const keys = [textOf(a), textOf(c)];
          expect([key, partition]).toEqual([keys.join(","), partitionModel(keys, partitions)]);
        }
      },
    ),
    { numRuns: 150 },
  );
});

const space = fc
  .array(fc.constantFrom(" ", "\t", "\n", "\r"), { maxLength: 3 })
  .map((parts) => parts.join(""));
const json = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(
      "1",
      "-0",
      "1.50",
      "1e400",
      "12345678901234567890123",
      "true",
      "null",
      '"\\n\\u00e4"',
      "[]",
      "{}",
    ),
    fc.string({ unit: "grapheme", maxLength: 40 }).map((one) => JSON.stringify(one)),
    fc
      .tuple(fc.array(tie("value"), { maxLength: 4 }), space)
      .map(([items, s]) => `[${s}${items.join(`${s},`)}${s}]`),
    fc
      .tuple(fc.array(tie("value"), { maxLength: 4 }), space, space)
      .map(
        ([values, s, t]) =>
          `{${t}${values.map((value, i) => `"k${i}"${s}:${t}${value}`).join(`${t},${s}`)}${s}}`,
      ),
  ),
})).value;

test("payloads are the published bytes, line breaks outside of strings as spaces, in order", async () => {
  await door.declare(
    declaration("bytes", {
      category: "undefined",
      default_statistic: { read_parallelism: 3, write_parallelism: 1 },
    }),
  );
  let end = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(json, space), { minLength: 1, maxLength: 20 }),
      fc.tuple(space, space, space),
      async (values, [before, between, after]) => {
        const events = values.map(([value, s]) => `{${s}"v"${s}:${value}${s}}`);
        const body = `${before}[${before}${events.join(`${between},${after}`)}${after}]${between}`;
        expect((await door.publish("bytes", body)).status).toBe(200);
        const stored = await door.stored("bytes");
        // One request without ids goes to one partition, so what is new there is what was sent.
        const sent = events.map((event) => event.replace(/[\n\r]/g, " "));
        expect(stored).toHaveLength(end + sent.length);
        const partitions = new Map<number, string[]>();
        for (const { partition, payload } of stored) {
          const of = partitions.get(partition) ?? [];
          of.push(payload);
          partitions.set(partition, of);
        }
        const tails = [...partitions.values()].map((payloads) => payloads.slice(-sent.length));
        expect(tails).toContainEqual(sent);
        end += sent.length;
      },
    ),
    { numRuns: 100 },
  );
});
