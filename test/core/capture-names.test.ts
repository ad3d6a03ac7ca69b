import { expect, test } from "vitest";
import { eventTypeNames } from "../../core/capture-names.ts";

const capture = { database: "shop1", prefix: undefined, outbox: undefined };

test("tables have the names they are given, or their own below the database's", () => {
  expect([...eventTypeNames({ ...capture, tables: ["public.a", "sales.b"] })]).toEqual([
    ["public.a", "shop1.public.a"],
    ["sales.b", "shop1.sales.b"],
  ]);
  expect([...eventTypeNames({ ...capture, tables: { "public.a": "shop.a" } })]).toEqual([
    ["public.a", "shop.a"],
  ]);
});

test("two tables do not feed one event type: their keys would meet", () => {
  const tables = { "public.a": "shop.a", "public.b": "shop.a" };
  expect(() => eventTypeNames({ ...capture, tables })).toThrow(/Two tables would feed "shop.a"/);
});

test("a table whose name makes none of an event type needs one", () => {
  expect(() => eventTypeNames({ ...capture, tables: ["public.odd name"] })).toThrow(/give one/);
  const outbox = { table: "public.odd name", event_type: "event_type", payload: "payload" };
  expect([...eventTypeNames({ ...capture, outbox, tables: { "public.a": "shop.a" } })]).toEqual([
    ["public.a", "shop.a"],
  ]);
});
