/**
 * From a type of PostgreSQL to how its values are written (core/ports/source.ts) and what an event type says of them.
 *
 * Surprising rules: what JSON or a column cannot hold exactly is text, as PostgreSQL shows it. A domain is what it is
 * made of. `bigint` is a decimal in quotes, for readers that take JSON numbers as doubles.
 */
import type { Client } from "pg";
import type { JsonSchema } from "../../core/event-type.ts";
import type { ValueForm } from "../../core/ports/source.ts";
import { rowsOf } from "./connection.ts";

/** What the catalog knows of a type. */
export interface PgType {
  readonly id: number;
  readonly name: string;
  /** Of a domain: what it is made of; else 0. */
  readonly baseId: number;
  /** Of a domain, for `baseId`; else -1. */
  readonly baseModifier: number;
  /** Of an array: its elements' type; else 0. */
  readonly elementId: number;
}

export type PgTypes = ReadonlyMap<number, PgType>;

export interface TypeForm {
  readonly form: ValueForm;
  readonly element?: ValueForm;
  /** Of the field in the event type's schema. */
  readonly schema: JsonSchema;
}

export const OID = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  json: 114,
  float4: 700,
  float8: 701,
  date: 1082,
  timestamptz: 1184,
  numeric: 1700,
  jsonb: 3802,
} as const;
/** Its arrays have another separator than all others. */
const BOX = 603;
const DECIMAL_DIGITS_MAX = 38;
const MODIFIER_HEAD = 4;
/** Domains over domains, arrays of domains: deeper ones do not exist but by mistake. */
const DEPTH_MAX = 32;

const nullable = (type: string, more: JsonSchema = {}): JsonSchema => ({ type: [type, "null"], ...more });
const TEXT: TypeForm = { form: "text", schema: nullable("string") };

const FORMS: ReadonlyMap<number, TypeForm> = new Map<number, TypeForm>([
  [OID.bool, { form: "boolean", schema: nullable("boolean") }],
  [OID.bytea, { form: "bytes", schema: nullable("string", { contentEncoding: "base64" }) }],
  [OID.int8, { form: "decimal", schema: nullable("string", { format: "decimal(19,0)" }) }],
  [OID.int2, { form: "integer", schema: nullable("integer") }],
  [OID.int4, { form: "integer", schema: nullable("integer") }],
  [OID.json, { form: "loose-json", schema: {} }],
  [OID.float4, { form: "float", schema: nullable("number") }],
  [OID.float8, { form: "float", schema: nullable("number") }],
  [OID.date, { form: "date", schema: nullable("string", { format: "date" }) }],
  [OID.timestamptz, { form: "instant", schema: nullable("string", { format: "date-time" }) }],
  [OID.jsonb, { form: "json", schema: {} }],
]);

/**
 * @param modifier -1 for none (pg_attribute.atttypmod)
 * @param types what is not there is no domain and no array
 */
export function typeForm(typeId: number, modifier: number, types: PgTypes): TypeForm {
  const [id, baseModifier] = withoutDomain(typeId, modifier, types);
  if (id === OID.numeric) return numericForm(baseModifier);
  const form = FORMS.get(id);
  if (form) return form;
  const elementId = types.get(id)?.elementId ?? 0;
  if (elementId === 0) return TEXT;
  const [innerId] = withoutDomain(elementId, -1, types);
  // A domain over an array is, within an array, a text that is an array: it stays one.
  if (innerId === BOX) return TEXT;
  const element = typeForm(elementId, baseModifier, types).form;
  return { form: "array", element: element === "array" ? "text" : element, schema: {} };
}

/** Every type that `typeForm` may ask for. @throws source.* */
export async function readTypes(client: Client, ids: readonly number[]): Promise<Map<number, PgType>> {
  const types = new Map<number, PgType>();
  let wanted = ids;
  for (let depth = 0; wanted.length > 0 && depth < DEPTH_MAX; depth++) {
    const list = [...new Set(wanted)].map(Math.trunc).join(",");
    // An array proper: `int2vector` and the like have elements, too, but another text.
    const rows = await rowsOf<Record<"id" | "name" | "base" | "modifier" | "element", string>>(
      client,
      `select t.oid::text as id, t.oid::regtype::text as name, t.typbasetype::text as base,
         t.typtypmod::text as modifier, coalesce(e.oid, 0)::text as element
       from pg_catalog.pg_type t left join pg_catalog.pg_type e on e.typarray = t.oid
       where t.oid in (${list})`,
    );
    const found = rows.map((row) => ({
      id: Number(row.id),
      name: row.name,
      baseId: Number(row.base),
      baseModifier: Number(row.modifier),
      elementId: Number(row.element),
    }));
    for (const type of found) types.set(type.id, type);
    wanted = found
      .flatMap(({ baseId, elementId }) => [baseId, elementId])
      .filter((id) => id !== 0 && !types.has(id));
  }
  return types;
}

function withoutDomain(typeId: number, modifier: number, types: PgTypes): readonly [number, number] {
  let [id, last] = [typeId, modifier];
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    const type = types.get(id);
    if (!type || type.baseId === 0) break;
    [id, last] = [type.baseId, type.baseModifier];
  }
  return [id, last];
}

/** Without a precision, or with one that no column holds: any text, "NaN" too. */
function numericForm(modifier: number): TypeForm {
  if (modifier < MODIFIER_HEAD) return TEXT;
  const packed = modifier - MODIFIER_HEAD;
  const precision = (packed >> 16) & 0xffff;
  // Eleven bits with a sign, since PostgreSQL 15.
  const scale = ((packed & 0x7ff) ^ 1_024) - 1_024;
  if (precision > DECIMAL_DIGITS_MAX || scale < 0 || scale > precision) return TEXT;
  return { form: "decimal", schema: nullable("string", { format: `decimal(${precision},${scale})` }) };
}
