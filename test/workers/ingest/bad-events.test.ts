/** Every bad event fails its batch with its reason, nothing of it is written, and the door stays usable. */
import { beforeAll, describe, expect, test } from "vitest";
import { bytes, declareTypes, eventOf, metadata, nested, TYPE, valid } from "./bodies.ts";
import { createDoor, declaration, type Door } from "./door.ts";

let door: Door;

beforeAll(async () => {
  door = await createDoor();
  await declareTypes(door);
});

interface Item {
  readonly publishing_status: string;
  readonly step: string;
  readonly detail: string;
  readonly code?: string;
  readonly pointer?: string;
  readonly eid?: string;
}

const BAD_EVENTS: readonly [string, string, string | Uint8Array<ArrayBuffer>, string, string][] = [
  ["no object", TYPE, "17", "event.not_object", "#"],
  ["an array", TYPE, "[]", "event.not_object", "#"],
  ["invalid UTF-8", TYPE, bytes(`{${metadata()},"a":{"b":["ok","`, [0xff], `"]}}`), "event.utf8", "#/a/b/1"],
  ["overlong UTF-8", TYPE, bytes(`{${metadata()},"a":"`, [0xc0, 0xaf], `"}`), "event.utf8", "#/a"],
  [
    "UTF-8 of a surrogate",
    TYPE,
    bytes(`{${metadata()},"a":"`, [0xed, 0xa0, 0x80], `"}`),
    "event.utf8",
    "#/a",
  ],
  ["a lone surrogate", TYPE, `{${metadata()},"a":"\\ud800"}`, "event.surrogate", "#/a"],
  ["a lone surrogate in a key", TYPE, `{${metadata()},"\\udc00":1}`, "event.surrogate", "#/\ufffd"],
  ["a duplicate key", TYPE, `{${metadata()},"a":1,"a":2}`, "event.duplicate_key", "#/a"],
  ["an escaped twin", TYPE, `{${metadata()},"x":[{"a":1,"\\u0061":2}]}`, "event.duplicate_key", "#/x/0/a"],
  ["a duplicate of metadata", TYPE, `{${metadata()},${metadata()}}`, "event.duplicate_key", "#/metadata"],
  ["depth 65", TYPE, nested(65), "event.too_deep", `#/deep${"/0".repeat(63)}`],
  ["depth 5,000", TYPE, nested(5_000), "event.too_deep", `#/deep${"/0".repeat(63)}`],
  ["999,001 bytes", TYPE, eventOf(999_001), "event.too_large", "#"],
  ["no metadata", TYPE, "{}", "event.schema", "#/metadata"],
  ["metadata that is a string", TYPE, '{"metadata":"x"}', "event.schema", "#/metadata"],
  ["metadata that is null", TYPE, '{"metadata":null}', "event.schema", "#/metadata"],
  [
    "no id",
    TYPE,
    '{"metadata":{"occurred_at":"2026-03-01T11:00:00Z"}}',
    "event.id_missing",
    "#/metadata/eid",
  ],
  [
    "an id that is a number",
    TYPE,
    `{${metadata().replace(/"1.*1"(?=,)/, "1")}}`,
    "event.id_malformed",
    "#/metadata/eid",
  ],
  [
    "an id that is no UUID",
    TYPE,
    `{${metadata().replace("11-1", "11_1")}}`,
    "event.id_malformed",
    "#/metadata/eid",
  ],
  [
    "an id that is null",
    TYPE,
    `{${metadata().replace(/"1.*1"(?=,)/, "null")}}`,
    "event.id_malformed",
    "#/metadata/eid",
  ],
  [
    "no time",
    TYPE,
    `{${metadata().replace(/,"occ.*Z"/, "")}}`,
    "event.time_missing",
    "#/metadata/occurred_at",
  ],
  ...[
    "2026-03-01",
    "2026-03-01T11:00:00",
    "2026-02-30T11:00:00Z",
    "yesterday",
    "",
    "2026-03-01T25:00:00Z",
  ].map((time): [string, string, string, string, string] => [
    `time "${time}"`,
    TYPE,
    `{${metadata().replace("2026-03-01T11:00:00Z", time)}}`,
    "event.time_malformed",
    "#/metadata/occurred_at",
  ]),
  [
    "a time in numbers",
    TYPE,
    `{${metadata().replace(/"2026.*Z"/, "1772362800")}}`,
    "event.time_malformed",
    "#/metadata/occurred_at",
  ],
  [
    "another type's name",
    TYPE,
    `{${metadata(',"event_type":"shop.other"')}}`,
    "event.type_mismatch",
    "#/metadata/event_type",
  ],
  [
    "the type's name in other case",
    TYPE,
    `{${metadata(',"event_type":"Shop.order"')}}`,
    "event.type_mismatch",
    "#/metadata/event_type",
  ],
  [
    "an event type that is null",
    TYPE,
    `{${metadata(',"event_type":null')}}`,
    "event.type_mismatch",
    "#/metadata/event_type",
  ],
  [
    "received_at",
    TYPE,
    `{${metadata(',"received_at":"2026-03-01T11:00:00Z"')}}`,
    "event.schema",
    "#/metadata/received_at",
  ],
  [
    "version, in white space",
    TYPE,
    `{${metadata(' , "version" : "1.0.0"')}}`,
    "event.schema",
    "#/metadata/version",
  ],
  [
    "an unknown member with a slash",
    TYPE,
    `{${metadata(',"a/b~c":1')}}`,
    "event.schema",
    "#/metadata/a~1b~0c",
  ],
  ["an unknown member, empty", TYPE, `{${metadata(',"":0')}}`, "event.schema", "#/metadata/"],
  [
    "__proto__ in metadata",
    TYPE,
    `{${metadata(',"__proto__":{"eid":1}')}}`,
    "event.schema",
    "#/metadata/__proto__",
  ],
  [
    "partition_compaction_key",
    TYPE,
    `{${metadata(',"partition_compaction_key":"k"')}}`,
    "event.schema",
    "#/metadata/partition_compaction_key",
  ],
  ["a flow id that is a number", TYPE, `{${metadata(',"flow_id":7')}}`, "event.schema", "#/metadata/flow_id"],
  [
    "a partition that is a number",
    TYPE,
    `{${metadata(',"partition":0')}}`,
    "event.schema",
    "#/metadata/partition",
  ],
  [
    "parent_eids of no UUID",
    TYPE,
    `{${metadata(',"parent_eids":["x"]')}}`,
    "event.schema",
    "#/metadata/parent_eids",
  ],
  [
    "parent_eids that are none",
    TYPE,
    `{${metadata(',"parent_eids":"x"')}}`,
    "event.schema",
    "#/metadata/parent_eids",
  ],
  [
    "span_ctx of numbers",
    TYPE,
    `{${metadata(',"span_ctx":{"a":1}')}}`,
    "event.schema",
    "#/metadata/span_ctx",
  ],
  ["a schema's type violated", "shop.checked", `{${metadata()},"qty":"1"}`, "event.schema", "#/qty"],
  ["a fraction for an integer", "shop.checked", `{${metadata()},"qty":1.5}`, "event.schema", "#/qty"],
  ["a required field left out", "shop.checked", `{${metadata()}}`, "event.schema", "#/qty"],
  [
    "a required field only inherited",
    "shop.checked",
    `{${metadata()},"__proto__":{"qty":1}}`,
    "event.schema",
    "#/qty",
  ],
  ["no key", "shop.keyed", `{${metadata()}}`, "event.key_missing", "#/key"],
  ["a key that is an object", "shop.keyed", `{${metadata()},"key":{}}`, "event.key_missing", "#/key"],
  ["no partition", "shop.placed", `{${metadata()}}`, "event.partition_unknown", "#/metadata/partition"],
  [
    "partition 3 of 0 to 2",
    "shop.placed",
    `{${metadata(',"partition":"3"')}}`,
    "event.partition_unknown",
    "#/metadata/partition",
  ],
  [
    "partition 01",
    "shop.placed",
    `{${metadata(',"partition":"01"')}}`,
    "event.partition_unknown",
    "#/metadata/partition",
  ],
  [
    "partition -1",
    "shop.placed",
    `{${metadata(',"partition":"-1"')}}`,
    "event.partition_unknown",
    "#/metadata/partition",
  ],
  ["no data_op", "shop.change", `{${metadata()},"data_type":"t","data":{}}`, "event.schema", "#/data_op"],
  [
    "data_op X",
    "shop.change",
    `{${metadata()},"data_op":"X","data_type":"t","data":{}}`,
    "event.schema",
    "#/data_op",
  ],
  [
    "data_op CU",
    "shop.change",
    `{${metadata()},"data_op":"CU","data_type":"t","data":{}}`,
    "event.schema",
    "#/data_op",
  ],
  ["no data_type", "shop.change", `{${metadata()},"data_op":"C","data":{}}`, "event.schema", "#/data_type"],
  ["no data", "shop.change", `{${metadata()},"data_op":"C","data_type":"t"}`, "event.schema", "#/data"],
  [
    "data that is a list",
    "shop.change",
    `{${metadata()},"data_op":"C","data_type":"t","data":[]}`,
    "event.schema",
    "#/data",
  ],
  [
    "a field beside data",
    "shop.change",
    `{${metadata()},"data_op":"C","data_type":"t","data":{},"more":{"data_op":1}}`,
    "event.schema",
    "#/more",
  ],
  [
    "no id at the declared place",
    "shop.free",
    '{"at":"2026-03-01T11:00:00Z"}',
    "event.id_missing",
    "#/a~1b/id",
  ],
  [
    "an empty id",
    "shop.free",
    '{"a/b":{"id":""},"at":"2026-03-01T11:00:00Z"}',
    "event.id_malformed",
    "#/a~1b/id",
  ],
  ["no time at the declared place", "shop.free", '{"a/b":{"id":"7"}}', "event.time_missing", "#/at"],
];

const RARE = '"parent_eids":["11111111-1111-4111-8111-11111111111A"],"span_ctx":{"a":"b"}';

const GOOD: Readonly<Record<string, string>> = {
  "shop.checked": `{${metadata()},"qty":1}`,
  "shop.keyed": `{${metadata()},"key":"k"}`,
  "shop.placed": `{${metadata(',"partition":"2"')}}`,
  "shop.change": `{${metadata()},"data_op":"S","data_type":"t","data":{}}`,
  "shop.free": '{"a/b":{"id":"7"},"at":"2026-03-01T11:00:00Z"}',
};

describe("an event", () => {
  test.each(BAD_EVENTS)("%s", async (_name, type, body, code, pointer) => {
    const before = await door.stored(type);
    const good = GOOD[type] ?? valid;
    const answer = await door.publish(type, bytes("[", good, ",", body as string, ",", good, "]"));
    expect(answer.status).toBe(422);
    expect(answer.headers.get("content-type")).toBe("application/json");
    const items = (await answer.json()) as Item[];
    expect(items.map((item) => item.publishing_status)).toEqual(["aborted", "failed", "aborted"]);
    expect(items[1]).toMatchObject({ code, pointer });
    expect(items[1]!.step).toBe(/key_missing|partition_unknown/.test(code) ? "partitioning" : "validating");
    expect(items[1]!.detail).toMatch(new RegExp(`^event 1: ${code}: #`));
    expect(items[0]).toMatchObject({ step: "none", detail: "" });
    expect(await door.stored(type)).toEqual(before);
    expect((await door.publish(type, `[${good}]`)).status).toBe(200);
  });

  test("every bad one of a batch is named", async () => {
    const body = `[{},${valid},7,{${metadata(',"version":1')}}]`;
    const answer = await door.publish(TYPE, body);
    const items = (await answer.json()) as Item[];
    expect(items.map((item) => item.code)).toEqual([
      "event.schema",
      undefined,
      "event.not_object",
      "event.schema",
    ]);
    expect(items.map((item) => item.eid)).toEqual([
      undefined,
      "11111111-1111-4111-8111-111111111111",
      undefined,
      "11111111-1111-4111-8111-111111111111",
    ]);
  });
});

/** name, event type, body, headers, status, code. */
describe("what is on the right side of a limit", () => {
  test.each([
    ["999,000 bytes", TYPE, `[${eventOf(999_000)}]`],
    ["depth 64", TYPE, `[${nested(64)}]`],
    ["8 MiB", TYPE, `[${valid}${" ".repeat(8_388_608 - valid.length - 2)}]`],
    ["an event in 1948", TYPE, `[${valid.replace("2026", "1948")}]`],
    ["an event in 9999", TYPE, `[${valid.replace("2026-03-01T11", "9999-12-31T23")}]`],
    ["__proto__ as a key", TYPE, `[{${metadata()},"__proto__":{"toString":1},"constructor":null}]`],
    ["__proto__ where a schema looks", "shop.checked", `[{${metadata()},"qty":2,"__proto__":{"qty":"x"}}]`],
    [
      "all that metadata may hold",
      TYPE,
      `[{${metadata(`,"event_type":"shop.\\u006frder","flow_id":"f","partition":"9",${RARE}`)}}]`,
    ],
    [
      "an escaped name in metadata",
      TYPE,
      `[{"metadata":{"\\u0065id":"11111111-1111-4111-8111-111111111111","occurred_at" : "2026-03-01T11:00:00Z"}}]`,
    ],
    ["an escaped data_op", "shop.change", `[{${metadata()},"data_op":"\\u0044","data_type":"t","data":{}}]`],
    ["a null key", "shop.keyed", `[{${metadata()},"key":null}]`],
    ["10,000 events", TYPE, `[${Array(10_000).fill(valid).join()}]`],
    ["a number that no double holds", TYPE, `[{${metadata()},"n":123456789012345678901234567890.123e-400}]`],
  ])("%s", async (_name, type, body) => {
    const before = (await door.stored(type)).length;
    const answer = await door.publish(type, body);
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
    const count = body.includes(`},{${metadata()}`) ? 10_000 : 1;
    expect(await door.stored(type)).toHaveLength(before + count);
  });

  test("__proto__ comes back as it was sent", async () => {
    const sent = `{${metadata()},"__proto__":{"polluted":true}}`;
    expect((await door.publish(TYPE, `[${sent}]`)).status).toBe(200);
    expect((await door.stored(TYPE)).at(-1)!.payload).toBe(sent);
    expect(Object.keys({}.constructor.prototype as object)).toEqual([]);
  });
});

test("an escaped key of one character is that character, whatever came before", async () => {
  const name = "shop.letters";
  const schema = { properties: { odd: { properties: { a: { type: "string" } } } } };
  expect((await door.declare(declaration(name, { schema }))).status).toBe(201);
  const publish = (odd: string): Promise<Response> =>
    door.publish(name, `[{${metadata()},"odd":{"odd 1":0,${odd}}}]`);
  expect((await publish('"\\\\":1')).status).toBe(200);
  expect((await publish('"\\u0061":"x"')).status).toBe(200);
  expect(await (await publish('"\\u0061":1')).json()).toMatchObject([
    { code: "event.schema", pointer: "#/odd/a" },
  ]);
});
