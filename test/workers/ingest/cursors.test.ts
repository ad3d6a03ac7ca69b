/**
 * Partitions, cursors and schemas by Nakadi's addresses (`PartitionsControllerAT`, `CursorOperationsAT`,
 * `SchemaControllerAT`, `InvalidRequestAT`), over every kind of log.
 */
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { offsetText, parseOffset } from "../../../workers/ingest/cursors/offset-text.ts";
import { declaration, type Door, event } from "./door.ts";
import { call, doorOver, LOG_KINDS, passed } from "./nakadi.ts";

const at = offsetText;
const pair = (from: string, to: string): object => ({
  initial_cursor: { partition: "0", offset: from },
  final_cursor: { partition: "0", offset: to },
});
const shift = (offset: string, by: number): object => ({ partition: "0", offset, shift: by });
const view = (partition: number, oldest: number, newest: number, more = {}): object => ({
  partition: String(partition),
  oldest_available_offset: at(oldest),
  newest_available_offset: at(newest),
  ...more,
});
const schema = (properties: object): string => JSON.stringify({ type: "object", properties });

test("offsets and their texts", () => {
  expect(offsetText(-1)).toBe("001-0001--1");
  expect(offsetText(0)).toBe("001-0001-000000000000000000");
  expect(offsetText(123)).toBe("001-0001-000000000000000123");
  expect(parseOffset("001-0002-000000000000000123", 0)).toBe(123);
  expect(parseOffset("17", 0)).toBe(17);
  expect(parseOffset("BEGIN", 5)).toBe(4);
  expect(parseOffset("begin", 0)).toBe(-1);
  for (const text of ["", "-2", "001-0001-", "001-1-5", "1e3", "0x1", "Begin", " 1", "999999999999999999"])
    expect(parseOffset(text, 0), text).toBeUndefined();
  fc.assert(
    fc.property(fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }), (offset) => {
      expect(parseOffset(offsetText(offset), 7)).toBe(offset);
      expect(parseOffset(String(offset), 7)).toBe(offset);
    }),
  );
});

describe.each(LOG_KINDS)("$name", (kind) => {
  let door: Door;
  beforeAll(async () => {
    door = await doorOver(kind);
    const more = {
      partition_strategy: "user_defined",
      default_statistic: { read_parallelism: 3, write_parallelism: 1 },
    };
    await door.declare(declaration("t", more));
    const events = [0, 0, 0, 0, 2].map((partition) => event({}, { partition: String(partition) }));
    expect((await passed(door.clock, door.publish("t", JSON.stringify(events)))).status).toBe(200);
  });
  afterAll(async () => {
    await door.log.close();
    await kind.clean();
  });
  const answer = async (method: string, path: string, body?: unknown): Promise<[number, unknown]> => {
    const response = await call(door, method, path, body);
    return [response.status, await response.json()];
  };
  const ask = (path: string, body: unknown): Promise<[number, unknown]> =>
    answer("POST", `/event-types/t/${path}`, body);

  test("partitions, and one of them", async () => {
    expect(await answer("GET", "/event-types/t/partitions")).toEqual([
      200,
      [view(0, 0, 3), view(1, 0, -1), view(2, 0, 0)],
    ]);
    expect(await answer("GET", "/event-types/t/partitions/0")).toEqual([200, view(0, 0, 3)]);
    expect(await answer("GET", `/event-types/t/partitions/0?consumed_offset=${at(0)}`)).toEqual([
      200,
      view(0, 0, 3, { unconsumed_events: 3 }),
    ]);
    const cursors = encodeURIComponent(JSON.stringify([{ partition: "2", offset: "BEGIN" }]));
    expect(await answer("GET", `/event-types/t/partitions?cursors=${cursors}`)).toEqual([
      200,
      [view(2, 0, 0, { unconsumed_events: 1 })],
    ]);
  });

  test.each([
    ["/event-types/t/partitions/3", 404, "partition.not_found"],
    ["/event-types/t/partitions/x", 404, "partition.not_found"],
    ["/event-types/none/partitions", 404, "event_type.not_found"],
    ["/event-types/none/partitions/0", 404, "event_type.not_found"],
    ["/event-types/t/partitions/0?consumed_offset=x", 422, "cursor.invalid"],
    ["/event-types/t/partitions?cursors=x", 400, "request.malformed"],
    ["/event-types/t/partitions?cursors=[{}]", 422, "cursor.invalid"],
  ])("GET %s: %i", async (path, status, code) => {
    expect(await answer("GET", path)).toEqual([
      status,
      expect.objectContaining({ code, title: expect.any(String) }),
    ]);
  });

  test("distances: behind the first, up to the last", async () => {
    const pairs = [pair("BEGIN", at(3)), pair(at(1), at(1)), pair("3", "001-0001--1")];
    expect(await ask("cursor-distances", pairs)).toEqual([
      200,
      pairs.map((one, i) => ({ ...one, distance: [4, 0, -4][i] })),
    ]);
  });

  test("lag", async () => {
    const cursors = [
      { partition: "0", offset: "001-0001--1" },
      { partition: "1", offset: "BEGIN" },
      { partition: "0", offset: at(3) },
    ];
    expect(await ask("cursors-lag", cursors)).toEqual([
      200,
      [
        view(0, 0, 3, { unconsumed_events: 4 }),
        view(1, 0, -1, { unconsumed_events: 0 }),
        view(0, 0, 3, { unconsumed_events: 0 }),
      ],
    ]);
  });

  test("shifts, up to the edges and not beyond", async () => {
    expect(await ask("shifted-cursors", [shift(at(1), 2), shift(at(3), -4), shift("BEGIN", 1)])).toEqual([
      200,
      [at(3), at(-1), at(0)].map((offset) => ({ partition: "0", offset })),
    ]);
    for (const [offset, by] of [
      [at(3), 1],
      [at(0), -2],
      ["BEGIN", 5],
    ] as const)
      expect((await ask("shifted-cursors", [shift(offset, by)]))[0]).toBe(422);
  });

  test.each([
    ["cursor-distances", {}],
    ["cursor-distances", [{ initial_cursor: { partition: "0", offset: "0" } }]],
    [
      "cursor-distances",
      [
        {
          initial_cursor: { partition: "0", offset: "0" },
          final_cursor: { partition: "2", offset: "0" },
        },
      ],
    ],
    ["cursors-lag", []],
    ["cursors-lag", [{ partition: "5", offset: "0" }]],
    ["cursors-lag", [{ partition: "0", offset: "4" }]],
    ["shifted-cursors", [{ partition: "0", offset: "0" }]],
    ["shifted-cursors", [{ partition: "0", offset: "0", shift: 0.5 }]],
  ])("%s of %j: 422", async (path, body) => {
    expect(await ask(path, body)).toEqual([422, expect.objectContaining({ code: "cursor.invalid" })]);
  });

  test("reading rights for cursor tools; partitions for whoever publishes, too", async () => {
    const writer = await door.token([{ action: "write", kind: "event_type", name: "t" }]);
    const stranger = await door.token([]);
    const status = async (token: string, method: string, path: string, body?: unknown): Promise<number> =>
      (await call(door, method, path, body, { authorization: `Bearer ${token}` })).status;
    expect(await status(writer, "GET", "/event-types/t/partitions")).toBe(200);
    expect(await status(stranger, "GET", "/event-types/t/partitions")).toBe(403);
    expect(await status(writer, "POST", "/event-types/t/cursors-lag", [])).toBe(403);
    expect(await status(writer, "PUT", "/event-types/t/partition-count", { partition_count: 3 })).toBe(403);
    expect(await status("wrong", "GET", "/registry/partition-strategies")).toBe(401);
  });

  test("schemas: versions, the latest, one by what it says, a new one, and whether it would do", async () => {
    await door.declare(declaration("s", { schema: schema({ a: { type: "string" } }) }));
    const path = "/event-types/s/schemas";
    const wider = schema({ a: { type: "string" }, b: { type: "integer" } });
    const narrower = schema({ b: { type: "integer" } });
    const check = (text: string): Promise<[number, unknown]> =>
      answer("POST", `${path}/1.0.0/compatibility-check`, { schema: text });
    expect(await check(wider)).toEqual([
      200,
      expect.objectContaining({ compatible: true, compatibility_mode: "forward", error: null }),
    ]);
    expect(await check(narrower)).toEqual([
      200,
      expect.objectContaining({ compatible: false, error: expect.stringContaining("a:") }),
    ]);
    expect(await answer("POST", path, { type: "json_schema", schema: wider })).toEqual([
      201,
      expect.objectContaining({ version: "1.1.0", schema: wider }),
    ]);
    expect((await answer("POST", path, { type: "json_schema", schema: narrower }))[0]).toBe(422);
    const versions = async (query: string): Promise<unknown> => {
      const [, page] = await answer("GET", `${path}${query}`);
      return (page as { items: { version: string }[] }).items.map(({ version }) => version);
    };
    expect(await versions("")).toEqual(["1.1.0", "1.0.0"]);
    expect(await versions("?limit=1&offset=1")).toEqual(["1.0.0"]);
    expect(await answer("GET", `${path}?limit=1`)).toEqual([
      200,
      expect.objectContaining({ _links: { next: { href: `${path}?limit=1&offset=1` } } }),
    ]);
    expect(await answer("GET", `${path}/latest`)).toEqual([
      200,
      expect.objectContaining({ version: "1.1.0" }),
    ]);
    expect(await answer("GET", `${path}/1.0.0`)).toEqual([
      200,
      expect.objectContaining({ version: "1.0.0" }),
    ]);
    expect((await answer("GET", `${path}/3.0.0`))[0]).toBe(404);
    const spaced = JSON.stringify(JSON.parse(wider), null, 2);
    expect(await answer("POST", `${path}?fetch=true`, { schema: spaced })).toEqual([
      200,
      expect.objectContaining({ version: "1.1.0" }),
    ]);
    expect((await answer("POST", `${path}?fetch=true`, { schema: narrower }))[0]).toBe(404);
    expect((await answer("GET", `${path}?limit=0`))[0]).toBe(422);
    expect((await answer("GET", `${path}?limit=x`))[0]).toBe(400);
  });

  test("what can be declared, and what there is not", async () => {
    expect(await answer("GET", "/registry/enrichment-strategies")).toEqual([200, ["metadata_enrichment"]]);
    expect(await answer("GET", "/registry/partition-strategies")).toEqual([
      200,
      ["hash", "random", "user_defined"],
    ]);
    expect(await answer("GET", "/version")).toEqual([200, expect.objectContaining({ server: "muara" })]);
    for (const [method, path] of [
      ["GET", "/storages"],
      ["PUT", "/storages/default/x"],
      ["POST", "/event-types/t/timelines"],
      ["GET", "/avro-schemas/batch.publishing/versions"],
    ] as const)
      expect(await answer(method, path), path).toEqual([
        501,
        expect.objectContaining({ code: "request.not_supported", title: expect.any(String) }),
      ]);
    const avro = { "content-type": "application/avro-binary; charset=utf-8" };
    expect((await call(door, "POST", "/event-types/t/events", "x", avro)).status).toBe(415);
  });
});
