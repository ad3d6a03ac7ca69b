/**
 * Thousands of damaged requests: the answer is never a 5xx, what is answered 200 is in the log byte for byte, and
 * nothing else is. The seed of a run is printed when it fails; FUZZ_SEED repeats it, FUZZ_REQUESTS lengthens it.
 */
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { type Randomness, seededRandomness } from "../../../core/clock.ts";
import { parseJson } from "../../../core/parse-json.ts";
import { createDoor, declaration, type Door, event } from "./door.ts";

const REQUESTS = Number(process.env["FUZZ_REQUESTS"] ?? 6_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? 20_260_301);

const TYPES: Readonly<Record<string, (n: number) => unknown>> = {
  open: (n) => event({ n, text: "ä😀\n" }),
  checked: (n) => event({ key: `k${n % 5}`, qty: n, at: "2026-03-01T00:00:00Z", tags: ["a", "b"] }),
  change: (n) => ({ ...event(), data_op: "U", data_type: "row", data: { id: n, deep: [[{ x: null }]] } }),
  free: (n) => ({ a: { id: `i${n}` }, at: "1948-01-01T00:00:00+01:00", v: 1.5e3 }),
};
const MARKS = [",", "[", "]", "{", "}", '"', ":", "\\", "\\ud800", "\\u0000", "\u0000", "-", " ", "\n"];
const WORDS = [
  "null",
  "1e999",
  '"a":1,"a":2',
  '"__proto__":{}',
  '"metadata":',
  "[[[[",
  "]]]]",
  "ä",
  "\ufeff",
  "0x1",
];
const TOKENS = [...MARKS, ...WORDS, "//", "NaN"];
const ODD_BYTES = [0, 0x7f, 0x80, 0xbf, 0xc0, 0xed, 0xf4, 0xff];

class Mutator {
  readonly #randomness: Randomness;

  constructor(seed: number) {
    this.#randomness = seededRandomness(seed);
  }

  below(n: number): number {
    return Math.floor(this.#randomness.fraction() * n);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** Damages bytes in one to four places; sometimes in none. */
  damage(given: Uint8Array): Uint8Array<ArrayBuffer> {
    let bytes = Buffer.from(given);
    for (let times = this.below(5); times > 0; times--) {
      const at = this.below(bytes.length + 1);
      const to = Math.min(bytes.length, at + 1 + this.below(this.below(4) === 0 ? 200 : 4));
      const inserted = [
        Buffer.from(this.pick(TOKENS)),
        Buffer.of(this.pick(ODD_BYTES)),
        bytes.subarray(at, to),
      ];
      switch (this.below(6)) {
        case 0:
          bytes = Buffer.concat([bytes.subarray(0, at), this.pick(inserted), bytes.subarray(at)]);
          break;
        case 1:
          bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]);
          break;
        case 2:
          bytes = Buffer.concat([bytes.subarray(0, at), this.pick(inserted), bytes.subarray(to)]);
          break;
        case 3:
          if (at < bytes.length) bytes[at] = this.below(256);
          break;
        case 4:
          if (at < bytes.length) bytes[at]! ^= 1 << this.below(8);
          break;
        default:
          bytes = this.below(4) === 0 ? bytes.subarray(0, at) : bytes;
      }
    }
    return new Uint8Array(bytes);
  }

  headers(isGzip: boolean): Record<string, string> {
    const headers: Record<string, string> = isGzip ? { "content-encoding": "gzip" } : {};
    if (this.below(20) === 0)
      headers["content-type"] = this.pick([
        "application/json;charset=x",
        "text/xml",
        ";",
        "application/a+json",
      ]);
    if (this.below(20) === 0)
      headers["content-encoding"] = this.pick(["br", "gzip", "identity", "gzip,br", "x"]);
    if (this.below(20) === 0) headers["x-flow-id"] = this.pick(["ok", "not ok", "é", "x".repeat(4_000)]);
    if (this.below(20) === 0)
      headers["authorization"] = this.pick(["", "Bearer", "Bearer muara_x_y", "\u00ff"]);
    return headers;
  }
}

async function openDoor(): Promise<Door> {
  const door = await createDoor();
  const spread = { default_statistic: { read_parallelism: 4, write_parallelism: 4 } };
  const checked = {
    properties: {
      key: { type: "string" },
      qty: { type: "integer", minimum: 0 },
      at: { format: "date-time" },
    },
  };
  for (const one of [
    declaration("open", spread),
    declaration("checked", {
      ...spread,
      schema: checked,
      partition_strategy: "hash",
      partition_key_fields: ["key"],
    }),
    declaration("change", { ...spread, category: "data" }),
    declaration("free", {
      ...spread,
      category: "undefined",
      annotations: { "muara/event-id-path": "/a/id", "muara/event-time-path": "/at" },
    }),
  ])
    expect((await door.declare(one)).status).toBe(201);
  return door;
}

/** The text of a JSON array's items, as JSON.parse sees them. */
function parsed(body: Uint8Array): unknown[] | undefined {
  try {
    const value: unknown = parseJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body));
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

test(`${REQUESTS} damaged requests (seed ${SEED})`, async () => {
  const door = await openDoor();
  const mutator = new Mutator(SEED);
  const accepted: Record<string, unknown[]> = { open: [], checked: [], change: [], free: [] };
  const statuses = new Map<number, number>();
  for (let n = 0; n < REQUESTS; n++) {
    const name = mutator.pick(Object.keys(TYPES));
    const events = Array.from({ length: 1 + mutator.below(6) }, (_, i) => TYPES[name]!(n + i));
    const clean = Buffer.from(JSON.stringify(events, null, mutator.below(3)));
    const body = mutator.damage(clean);
    const isGzip = mutator.below(8) === 0;
    const sent = isGzip ? mutator.damage(gzipSync(body)) : body;
    const answer = await door.publish(name, sent, mutator.headers(isGzip));
    const text = await answer.text();
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    expect([n, answer.status < 500, text.slice(0, 200)]).toEqual([n, true, expect.any(String)]);
    if (answer.status !== 200) continue;
    const items = parsed(body);
    expect([n, items?.length]).toEqual([n, expect.any(Number)]);
    accepted[name]!.push(...items!);
  }
  for (const name of Object.keys(TYPES)) {
    const stored = (await door.stored(name)).map(({ payload }) => JSON.stringify(parseJson(payload))).sort();
    expect(stored).toEqual(accepted[name]!.map((item) => JSON.stringify(item)).sort());
    const counted = (await door.log.accepted(name)).reduce((sum, { count }) => sum + count, 0);
    expect(counted).toBe(accepted[name]!.length);
  }
  // Not all one way: the run must have seen good ones and every kind of bad ones.
  for (const status of [200, 400, 401, 415, 422])
    expect([status, statuses.get(status)! > REQUESTS / 300]).toEqual([status, true]);
  expect(door.lines.filter((line) => line.includes('"error"'))).toEqual([]);
});

test("2,000 damaged declarations", async () => {
  const door = await createDoor();
  const mutator = new Mutator(SEED + 1);
  const schema = {
    definitions: {
      money: { type: "object", properties: { amount: { type: "number", format: "decimal(10,2)" } } },
    },
    properties: {
      a: { type: "string", pattern: "^[a-z]+$" },
      b: { $ref: "#/definitions/money" },
      c: { type: "array", items: { enum: [1] } },
    },
    required: ["a"],
  };
  let declared = 0;
  for (let n = 0; n < 2_000; n++) {
    const inner = new TextDecoder().decode(mutator.damage(Buffer.from(JSON.stringify(schema))));
    const whole = declaration(`t${n}`, {
      schema: inner,
      partition_strategy: "hash",
      partition_key_fields: ["a"],
    });
    const body =
      mutator.below(3) === 0 ? mutator.damage(Buffer.from(JSON.stringify(whole))) : JSON.stringify(whole);
    const request = new Request("http://muara.test/event-types", {
      method: "POST",
      body,
      headers: { authorization: `Bearer ${door.admin}`, "content-type": "application/json" },
    });
    const answer = await door.fetch(request);
    const text = await answer.text();
    expect([n, [201, 400, 409, 422].includes(answer.status), text]).toEqual([n, true, expect.any(String)]);
    if (answer.status === 201) declared++;
  }
  expect(declared).toBeGreaterThan(200);
  expect(door.registry.list("event-type")).toHaveLength(declared);
  expect((await door.log.listStreams()).length).toBe(declared + 1);
});
