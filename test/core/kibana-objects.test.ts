/** Saved objects for Kibana: what refers to something refers to what is there, and to fields that the index has. */
import { expect, test } from "vitest";
import { kibanaObjects } from "../../core/kibana-objects.ts";
import { searchTargetSchema } from "../../core/search-target.ts";
import { mappingOf } from "../../adapters/elasticsearch/mapping.ts";
import type { Column } from "../../core/columns.ts";

interface Saved {
  readonly type: string;
  readonly id: string;
  readonly attributes: Record<string, unknown>;
  readonly references: readonly { type: string; id: string; name: string }[];
}

const column = (name: string, type: Column["type"]): Column => ({ name, type, nullable: true });
const COLUMNS: readonly Column[] = [
  column("event_id", { kind: "string" }),
  column("event_time", { kind: "timestamp" }),
  column("log_offset", { kind: "long" }),
  column("country", { kind: "string" }),
  column("total", { kind: "decimal", precision: 10, scale: 2, quoted: true }),
  column("address", { kind: "struct", fields: [column("city", { kind: "string" })] }),
  column("note", { kind: "json" }),
];

function objectsOf(target: object): readonly Saved[] {
  const text = kibanaObjects({
    id: "ab12",
    name: "search",
    table: "shop.order",
    target: searchTargetSchema.parse(target),
    columns: COLUMNS,
  });
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Saved);
}

test("everything is whole, and twice the same", () => {
  const objects = objectsOf({ target: "search", index: "orders" });
  expect(objectsOf({ target: "search", index: "orders" })).toEqual(objects);
  const known = new Set(objects.map(({ type, id }) => `${type}/${id}`));
  expect(known.size).toBe(objects.length);
  for (const { references } of objects)
    for (const { type, id } of references) expect(known).toContain(`${type}/${id}`);
  const dashboard = objects.at(-1)!;
  const panels = JSON.parse(dashboard.attributes["panelsJSON"] as string) as {
    panelIndex: string;
    panelRefName: string;
    gridData: { x: number; y: number; w: number; h: number };
  }[];
  const named = new Set(dashboard.references.map(({ name }) => name));
  for (const { panelIndex, panelRefName } of panels) expect(named).toContain(`${panelIndex}:${panelRefName}`);
  const places = panels.map(({ gridData: { x, y } }) => `${x} ${y}`);
  expect(new Set(places).size).toBe(panels.length);
});

test("panels ask for fields that the index has", () => {
  const objects = objectsOf({ target: "search", index: "orders" });
  const mapping = mappingOf(COLUMNS, "ab12").properties!;
  const asked = objects
    .filter(({ type }) => type === "visualization")
    .flatMap(({ attributes }) => {
      const { aggs } = JSON.parse(attributes["visState"] as string) as {
        aggs: { type: string; params: { field?: string } }[];
      };
      return aggs.flatMap(({ type, params }) => (params.field === undefined ? [] : [[type, params.field]]));
    });
  expect(asked).toEqual([
    ["date_histogram", "event_time"],
    ["sum", "total"],
    ["date_histogram", "event_time"],
    ["terms", "country"],
    ["terms", "address.city"],
  ]);
  expect(mapping["country"]).toMatchObject({ type: "keyword" });
  expect(mapping["total"]).toMatchObject({ type: "double" });
  expect(mapping["event_time"]).toMatchObject({ type: "date" });
});

test("an index for each day is seen as one", () => {
  const [view] = objectsOf({ target: "search", index: "orders", time: { column: "event_time" } });
  expect(view!.attributes).toMatchObject({ title: "orders-*", timeFieldName: "event_time" });
});
