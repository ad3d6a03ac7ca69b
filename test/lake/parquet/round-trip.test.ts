import { inspect, isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ColumnType, planColumns } from "../../../core/columns.ts";
import { readRows } from "../../../lake/parquet/rows.ts";
import { DuckDBReader, type Seen } from "./duckdb-rows.ts";
import {
  as,
  expectedFields,
  instantOf,
  keeper,
  type Kept,
  keptTree,
  type Plain,
  Rejected,
} from "./reference.ts";
import { eventTypeOf, objectOf, payloads, propertiesOf, type Shape } from "./shapes.ts";
import { idOf, SlotEncoder } from "./slot-encoder.ts";
import { canonical, member, type Node, parseSlowly } from "./slow-json.ts";

interface Expected {
  readonly document: string;
  readonly values: { readonly [name: string]: Plain };
  readonly kept: Map<string, Kept>;
}

const cases = payloads.chain((fields) =>
  fc.tuple(
    fc.constant(fields),
    fc.array(objectOf(fields.map(([name, { type }]) => [name, type])), { minLength: 1, maxLength: 12 }),
    fc.nat({ max: 11 }),
  ),
);

let duckdb: DuckDBReader;
beforeAll(async () => {
  duckdb = await DuckDBReader.open();
});
afterAll(async () => duckdb.close());

function expectation(fields: readonly (readonly [string, Shape])[], document: string): Expected | Rejected {
  const { kept, keep } = keeper();
  const columns = fields.map(([name, { type }]) => ({ column: { name, type, nullable: true }, field: name }));
  const root = parseSlowly(document);
  try {
    if (root.kind !== "object") throw new Error("an event is an object");
    return { document, values: expectedFields(columns, root, "", keep), kept };
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
}

/** Writes the documents and compares every step with the reference. */
async function checked(
  fields: readonly (readonly [string, Shape])[],
  documents: readonly string[],
  turn: number,
): Promise<{ readonly expected: readonly Expected[]; readonly seen: Seen } | undefined> {
  const eventType = eventTypeOf({ type: "object", properties: propertiesOf(fields) });
  const plan = planColumns(eventType);
  expect(plan.payload.map(({ name, type }) => [name, type])).toEqual(
    fields.map(([name, { type }]) => [name, type]),
  );
  const encoder = new SlotEncoder(eventType);
  const accepted: Expected[] = [];
  // One array for all, with bytes of no event between them.
  const bytes = Buffer.from(documents.map((document) => `}"${document}\\`).join("\n"));
  let at = 0;
  for (const document of documents) {
    const length = Buffer.byteLength(document);
    const rejection = encoder.add(bytes, at + 2, length);
    at += length + 4;
    const outcome = expectation(fields, document);
    const isRejected = outcome instanceof Rejected;
    const wanted = isRejected ? `${outcome.code} at ${outcome.pointer}` : "a row";
    expectSame(rejection ? `${rejection.code} at ${rejection.pointer}` : "a row", wanted, document);
    if (!isRejected) accepted.push(outcome);
  }
  expect(encoder.rows).toBe(accepted.length);
  if (accepted.length === 0) return (encoder.destroy(), undefined);
  const order = accepted.map((_, i) => (i + turn) % accepted.length);
  const file = await encoder.write(order);
  encoder.destroy();
  const expected = order.map((slot) => accepted[slot]!);
  const seen = await duckdb.read(file.bytes);
  expect(seen.rows.map((row) => row.get("event_id"))).toEqual(order.map(idOf));
  expected.forEach((row, i) => compareRow(row, seen.rows[i]!));
  await compareWithHyparquet(file.bytes, fields, expected);
  return { expected, seen };
}

function compareRow(expected: Expected, seen: ReadonlyMap<string, Plain>): void {
  for (const [name, value] of Object.entries(expected.values))
    expectSame(seen.get(name), value, `${name} of ${expected.document}`);
  const extra = seen.get("extra");
  const kept = extra === null ? new Map() : keptTree(as("string", extra), expected.kept);
  expectSame(kept, expected.kept, `extra of ${expected.document}`);
}

/** Tells -0 from 0, and is not misled by a field named `constructor`, as vitest's own comparison is. */
function expectSame(actual: unknown, expected: unknown, where: string): void {
  if (!isDeepStrictEqual(actual, expected))
    throw new Error(`${where}: ${inspect(actual, { depth: 9 })} is not ${inspect(expected, { depth: 9 })}`);
}

/** hyparquet makes floats of decimals and prototypes of `__proto__`: those are compared by DuckDB alone. */
async function compareWithHyparquet(
  bytes: Uint8Array,
  fields: readonly (readonly [string, Shape])[],
  expected: readonly Expected[],
): Promise<void> {
  const isComparable = (name: string, type: ColumnType): boolean =>
    name !== "__proto__" &&
    type.kind !== "decimal" &&
    (type.kind !== "list" || isComparable("", type.element)) &&
    (type.kind !== "struct" || type.fields.every((field) => isComparable(field.name, field.type)));
  const columns = fields
    .filter(([name, { type }]) => isComparable(name, type))
    .map(([name, { type }]) => ({ name, type, nullable: true }));
  const rows = await readRows(bytes, columns);
  if (columns.length === 0) return;
  expected.forEach((row, i) => {
    for (const { name } of columns)
      expectSame(emptied(rows[i]![name]), emptied(row.values[name]), `${name} by hyparquet`);
  });
}

/** hyparquet leaves NULL out of structs or says undefined. */
function emptied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(emptied);
  if (typeof value !== "object" || value === null) return value ?? null;
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, inner]): [string, unknown] => [name, emptied(inner)])
      .filter(([, inner]) => inner !== null),
  );
}

/** One spelling per document: numbers and times by value, null fields left out, keys sorted. */
function spelling(node: Node, type: ColumnType | undefined): string {
  if (type?.kind === "timestamp" && node.kind === "string") {
    const { us, picos } = instantOf(node.value)!;
    return /:60/.test(node.value) ? `leap ${node.value}` : `time ${us}.${picos}`;
  }
  if (type?.kind === "decimal" && node.kind === "string") return canonical(node.value);
  if (node.kind === "number") return canonical(node.raw);
  if (node.kind === "array")
    return `[${node.items.map((item) => spelling(item, type?.kind === "list" ? type.element : undefined)).join()}]`;
  if (node.kind !== "object") return JSON.stringify(node.value);
  const typeOf = (name: string): ColumnType | undefined =>
    type?.kind === "struct" ? type.fields.find((field) => field.name === name)?.type : undefined;
  return objectSpelling(
    new Map(
      node.entries
        .filter(([, child]) => !isNull(child))
        .map(([key, child]) => [key, spelling(child, typeOf(key))]),
    ),
  );
}

const isNull = (node: Node): boolean => node.kind === "literal" && node.value === null;
const objectSpelling = (entries: ReadonlyMap<string, string>): string =>
  `{${[...entries]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${JSON.stringify(key)}:${value}`)
    .join()}}`;

/** The same spelling from what the table holds: a column's value, and what `extra` has at its place. */
function reassembled(type: ColumnType, value: Plain, kept: Node | undefined): string {
  if (value === null) return "null";
  switch (type.kind) {
    case "json":
      return spelling(parseSlowly(as("string", value)), undefined);
    case "timestamp":
      return kept ? spelling(kept, type) : `time ${as("bigint", value)}.`;
    case "double":
      return kept ? canonical(kept.raw) : canonical(String(as("number", value)));
    case "long":
      return canonical(String(as("bigint", value)));
    case "decimal": {
      const unscaled = as("bigint", value);
      const [sign, digits] = unscaled < 0n ? ["-", -unscaled] : ["", unscaled];
      const text = String(digits).padStart(type.scale + 1, "0");
      return canonical(
        `${sign}${text.slice(0, text.length - type.scale)}.${text.slice(text.length - type.scale)}0`,
      );
    }
    case "date":
      return JSON.stringify(new Date(as("number", value) * 86_400_000).toISOString().slice(0, 10));
    case "list":
      return `[${as("list", value)
        .map((item, i) => reassembled(type.element, item, member(kept, String(i))))
        .join()}]`;
    case "struct":
      return reassembledObject(
        type.fields.map(({ name, type: inner }) => [name, inner, as("struct", value)[name]!]),
        kept,
      );
    default:
      return JSON.stringify(value);
  }
}

function reassembledObject(
  columns: readonly (readonly [string, ColumnType, Plain])[],
  kept: Node | undefined,
): string {
  const entries = new Map<string, string>();
  for (const [name, type, value] of columns)
    if (value !== null) entries.set(name, reassembled(type, value, member(kept, name)));
  if (kept?.kind === "object")
    for (const [key, node] of kept.entries)
      if (!columns.some(([name]) => name === key) && !isNull(node))
        entries.set(key, spelling(node, undefined));
  return objectSpelling(entries);
}

/** Generated schemas; the proof asks for more. */
const RUNS = Number(process.env["ROUND_TRIP_RUNS"] ?? 150);

describe("events to Parquet and back", () => {
  test("DuckDB and hyparquet read what the slow reference says", async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ([fields, documents, turn]) => {
        await checked(fields, documents, turn);
      }),
      { numRuns: RUNS },
    );
  });

  test("columns and extra together are the document, to the last digit", async () => {
    let reassembledCount = 0;
    await fc.assert(
      fc.asyncProperty(cases, async ([fields, documents, turn]) => {
        const result = await checked(fields, documents, turn);
        result?.expected.forEach(({ document }, i) => {
          const row = result.seen.rows[i]!;
          const extra = row.get("extra");
          const type: ColumnType = {
            kind: "struct",
            fields: fields.map(([name, { type: inner }]) => ({ name, type: inner, nullable: true })),
          };
          const again = reassembledObject(
            fields.map(([name, { type: inner }]) => [name, inner, row.get(name)!]),
            extra === null ? undefined : parseSlowly(as("string", extra)),
          );
          expect(again).toBe(spelling(parseSlowly(document), type));
          reassembledCount++;
        });
      }),
      { numRuns: RUNS },
    );
    expect(reassembledCount).toBeGreaterThan(100);
  });
});
