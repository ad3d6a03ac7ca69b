/** Reading declarations: names, rules between fields, and where an event keeps what. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { MuaraError } from "../../core/errors.ts";
import {
  envelopePaths,
  type EventType,
  isReservedName,
  parseEventType,
  partitionCount,
  payloadSchema,
  sqlAlias,
} from "../../core/event-type.ts";
import { freshnessTargetMs, lakeRetentionMs } from "../../core/event-type-annotations.ts";

const base = {
  name: "shop.order",
  owning_application: "shop",
  category: "business",
  schema: { type: "json_schema", schema: "{}" },
};

function parse(more: Record<string, unknown> = {}): EventType {
  return parseEventType({ ...base, ...more });
}

test("fills in Nakadi's defaults", () => {
  expect(parse()).toEqual({
    ...base,
    enrichment_strategies: ["metadata_enrichment"],
    partition_strategy: "random",
    partition_key_fields: [],
    compatibility_mode: "forward",
    cleanup_policy: "delete",
    options: { retention_time: 172_800_000 },
    annotations: {},
    labels: {},
  });
  expect(parse({ category: "undefined" }).enrichment_strategies).toEqual([]);
  expect(parse({ unknown: 1 })).not.toHaveProperty("unknown");
});

test("reading twice changes nothing", () => {
  const once = parse({
    default_statistic: { read_parallelism: 3, write_parallelism: 5 },
    labels: { a: "b" },
  });
  expect(parseEventType(once)).toEqual(once);
  expect([partitionCount(once), partitionCount(parse())]).toEqual([5, 1]);
});

/** The field that a refusal names; null where there is none. */
function refusedField(more: Record<string, unknown>): unknown {
  try {
    parse(more);
    return null;
  } catch (error) {
    return error instanceof MuaraError && error.code === "event_type.invalid"
      ? error.details["field"]
      : error;
  }
}

test("names: Nakadi's grammar, and safe as a folder whatever they are", () => {
  const letter = fc.constantFrom(...Array.from("aZ09-_./\\ :~%ä\u0000"));
  fc.assert(
    fc.property(fc.array(letter, { maxLength: 20 }), (letters) => {
      const name = letters.join("");
      // The grammar in words: parts joined by dots; letters, digits, - and _; a letter first, then a letter or digit.
      const parts = name.split(".");
      const isName = parts.every((part, i) => {
        const [first = "", ...rest] = part;
        const starts = i === 0 ? /[a-zA-Z]/ : /[0-9a-zA-Z]/;
        return starts.test(first) && rest.every((one) => /[-0-9a-zA-Z_]/.test(one));
      });
      const isSafe = !/\.\.|[/\\:]|^\.|\.$/.test(name);
      expect([name, refusedField({ name }), isName && !isSafe]).toEqual([
        name,
        isName ? null : "name",
        false,
      ]);
    }),
    { numRuns: 3_000 },
  );
});

test.each([
  "books",
  "Books",
  "dead_letters",
  "dead-letters",
  "DEAD.Letters",
  "duplicates",
  "muara.x",
  "MUARA.x",
  "muara-x",
  "muara_x",
])("%s is reserved", (name) => {
  expect(isReservedName(name)).toBe(true);
  expect(() => parse({ name })).toThrow(/reserved/);
});

test.each(["book", "shop.books", "muara", "muarax", "deadletters"])("%s is free", (name) => {
  expect(isReservedName(name)).toBe(false);
});

test("aliases", () => {
  expect(sqlAlias("shop.order-placed.v1")).toBe("shop_order_placed_v1");
});

test("where a business event keeps what", () => {
  expect(envelopePaths(parse({ partition_key_fields: ["a.b", "c"] }))).toEqual({
    id: ["metadata", "eid"],
    idMustBeUuid: true,
    idScope: undefined,
    time: ["metadata", "occurred_at"],
    isTimeOptional: false,
    eventType: ["metadata", "event_type"],
    flowId: ["metadata", "flow_id"],
    partition: ["metadata", "partition"],
    body: [],
    key: [["a", "b"], ["c"]],
  });
  expect(envelopePaths(parse({ category: "data", partition_key_fields: ["a.b"] }))).toMatchObject({
    body: ["data"],
    key: [["data", "a", "b"]],
  });
});

test("where an undefined event keeps what: JSON pointers (RFC 6901)", () => {
  const annotations = { "muara/event-id-path": "/a~1b/~0/", "muara/event-time-path": "/at" };
  expect(envelopePaths(parse({ category: "undefined", annotations }))).toMatchObject({
    id: ["a/b", "~", ""],
    time: ["at"],
    idMustBeUuid: false,
    eventType: undefined,
  });
  expect(envelopePaths(parse({ category: "undefined" }))).toMatchObject({ id: undefined, time: undefined });
});

test.each(["", "[]", "1", "null", "{", '"{}"'])("schema %j is refused", (schema) => {
  const type = parse({ schema: { type: "json_schema", schema } });
  expect(() => payloadSchema(type)).toThrow(expect.objectContaining({ code: "event_type.invalid" }));
});

const kept = (annotations: Record<string, string>) => lakeRetentionMs(parse({ annotations }));

const REASON = { "datalake.zalando.org/retention-period-reason": "audits" };

const lakePeriod = (text: string) => () => kept({ "datalake.zalando.org/retention-period": text, ...REASON });

test("Nakadi's retention period is one of those that it takes, to the edge", () => {
  for (const text of [
    "unlimited",
    "7d",
    "7 days",
    "3650 day",
    "1w",
    "521 weeks",
    "1m",
    "120 months",
    "1y",
    "10 years",
  ])
    expect(lakePeriod(text), text).not.toThrow();
  for (const text of [
    "soon",
    "",
    "6d",
    "3651d",
    "0w",
    "522w",
    "121m",
    "11y",
    "7  days",
    "7 d",
    "7days",
    "Unlimited",
    "1 D",
  ])
    expect(lakePeriod(text), text).toThrow("annotations.datalake.zalando.org/retention-period");
});

test("how long rows stay in the lake is an annotation", () => {
  const dayMs = 86_400_000;
  const cases: readonly [string, number][] = [
    ["unlimited", Infinity],
    ["90 days", 90 * dayMs],
    ["1d", dayMs],
    ["2 Weeks", 14 * dayMs],
    ["1 month", 31 * dayMs],
    ["1y", 366 * dayMs],
  ];
  for (const [text, ms] of cases) expect(kept({ "muara/retention": text }), text).toBe(ms);
  expect(kept({})).toBe(Infinity);
  const nakadi = (period: string, more: Record<string, string> = {}): number =>
    kept({ ...more, "datalake.zalando.org/retention-period": period, ...REASON });
  expect(nakadi("30d")).toBe(30 * dayMs);
  expect(nakadi("30d", { "muara/retention": "unlimited" })).toBe(Infinity);
  for (const text of ["", "0 days", "-1d", "90", "1.5 days", "3 hours", "forever", "999999 days"])
    expect(() => kept({ "muara/retention": text }), text).toThrow("annotations.muara/retention");
});

test("how fresh a table shall be is a whole number of a unit, or refused", () => {
  const target = (text: string): number | undefined =>
    freshnessTargetMs(parse({ annotations: { "muara/freshness": text } }));
  expect(freshnessTargetMs(parse({}))).toBeUndefined();
  const good: [string, number][] = [
    ["1 ms", 1],
    ["999999ms", 999_999],
    ["2 s", 2_000],
    ["1 second", 1_000],
    [" 5 min ", 300_000],
    ["3 hours", 10_800_000],
    ["999999 days", 999_999 * 86_400_000],
  ];
  for (const [text, ms] of good) expect(target(text), text).toBe(ms);
  const bad = [
    "",
    " ",
    "0 s",
    "00 s",
    "-1 s",
    "+1 s",
    "1.5 s",
    "1e3 ms",
    "1000000 ms",
    "5",
    "s",
    "2 S",
    "2 weeks",
  ];
  for (const text of [...bad, "2 s 3 ms", "2 s;", "unlimited", "٣ s"])
    expect(() => target(text), text).toThrow(
      `annotations.muara/freshness: "${text}" is no number of ms, seconds, minutes, hours or days, like 2 s`,
    );
});
