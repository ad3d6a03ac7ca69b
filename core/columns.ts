/**
 * From an event type's JSON Schema to the columns of its lake table (design §3). A schema that says exactly
 * what a value is gets a typed column; whatever it leaves open becomes JSON text, and what it does not
 * mention at all ends up in the column `extra`. So planning never loses a field, it only types fewer of them.
 *
 * Surprising rules: `properties` without `"type": "object"` is open, because JSON Schema lets it be a
 * string, too. Combinators (`oneOf`, `allOf`, …) beside a `type` only narrow it and are not looked at.
 */
import { MuaraError } from "./errors.ts";
import { isCaptured } from "./event-type-annotations.ts";
import { envelopePaths, type EventType, hasMetadata, type JsonSchema, payloadSchema } from "./event-type.ts";

/** Leaf columns of a table, envelope included. */
export const COLUMNS_MAX = 1_000;
/** Structs and lists inside each other, the outermost counted; deeper ones are JSON text. */
export const COLUMN_DEPTH_MAX = 16;
export const COLUMN_NAME_LENGTH_MAX = 255;
export const DECIMAL_PRECISION_MAX = 38;
/** The table partition: UTC day of the ingest time. Not stored in the data files. */
export const INGEST_DATE = "ingest_date";
export const EXTRA = "extra";
/** Table partition of a captured type's current state (decision 040): by hash of the key, from "0". */
export const CURRENT_SLICE = "muara_slice";
export const RESERVED_FIELD_PREFIX = "data_";

export type ColumnType =
  /** `timestamp`: µs since 1970 UTC. `date`: days. `json`: the value's text as published; a string to readers. */
  | { readonly kind: "string" | "long" | "double" | "boolean" | "timestamp" | "date" | "json" | "binary" }
  /** `quoted`: the JSON value is a string that holds a plain decimal. */
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number; readonly quoted: boolean }
  | { readonly kind: "struct"; readonly fields: readonly Column[] }
  | { readonly kind: "list"; readonly element: ColumnType };

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  /** From the schema, for whoever reads the table. */
  readonly description?: string;
}

/** A column that is filled from a declared field. */
export interface PayloadColumn extends Column {
  /** The field's JSON key; differs from `name` where that is reserved. */
  readonly field: string;
}

export interface ColumnPlan {
  /** All columns stored in the data files, in order: envelope, payload, `extra`. */
  readonly columns: readonly Column[];
  /** Filled from the log record, not from the payload. */
  readonly envelope: readonly Column[];
  /** Fields beside the body: `data_op`, `data_type` of data events, the attributes of CloudEvents. */
  readonly beside: readonly PayloadColumn[];
  /** Declared fields of the body. */
  readonly payload: readonly PayloadColumn[];
  /** The object whose fields become columns: [] is the event itself. */
  readonly body: readonly string[];
  /** Paths to texts that envelope columns hold. */
  readonly held: readonly (readonly string[])[];
  /** Path to the time that an envelope column holds; its digits below the microsecond are kept in `extra`. */
  readonly heldTime: readonly string[] | undefined;
  /** Table partition columns; not in the data files. */
  readonly partitions: readonly Column[];
}

const TIMESTAMP: ColumnType = { kind: "timestamp" };
const STRING: ColumnType = { kind: "string" };
const LONG: ColumnType = { kind: "long" };
const JSON_TEXT: ColumnType = { kind: "json" };

export const ENVELOPE_COLUMNS: readonly Column[] = [
  { name: "event_id", type: STRING, nullable: false },
  { name: "event_time", type: TIMESTAMP, nullable: false },
  { name: "ingest_time", type: TIMESTAMP, nullable: false },
  { name: "event_key", type: STRING, nullable: true },
  { name: "log_partition", type: LONG, nullable: false },
  { name: "log_offset", type: LONG, nullable: false },
  { name: "watermark", type: TIMESTAMP, nullable: true },
  { name: "flow_id", type: STRING, nullable: true },
];
export const DATA_COLUMNS: readonly PayloadColumn[] = [
  { name: "data_op", field: "data_op", type: STRING, nullable: true },
  { name: "data_type", field: "data_type", type: STRING, nullable: true },
];
/** Of a change that was captured (core/change.ts), behind those of other data events. */
export const SOURCE_FIELDS: readonly Column[] = [
  { name: "shard", type: STRING, nullable: true },
  { name: "incarnation", type: LONG, nullable: true },
  { name: "lsn", type: LONG, nullable: true },
  { name: "index", type: LONG, nullable: true },
  { name: "xid", type: LONG, nullable: true },
  { name: "change", type: STRING, nullable: true },
  { name: "unchanged", type: { kind: "list", element: STRING }, nullable: true },
];
export const CHANGE_COLUMNS: readonly PayloadColumn[] = [
  { name: "source", field: "source", type: { kind: "struct", fields: SOURCE_FIELDS }, nullable: true },
  { name: "before", field: "before", type: JSON_TEXT, nullable: true },
];
/** Attributes of a CloudEvent (CloudEvents 1.0.2, §3.1); `id`, `type` and `time` are the envelope's. */
export const CLOUDEVENT_COLUMNS: readonly PayloadColumn[] = [
  "specversion",
  "source",
  "subject",
  "datacontenttype",
  "dataschema",
].map((name) => ({ name, field: name, type: STRING, nullable: true }));
const RESERVED = [...ENVELOPE_COLUMNS, ...DATA_COLUMNS]
  .map((column) => column.name)
  .concat(INGEST_DATE, EXTRA);

const BESIDE: Partial<Record<EventType["category"], readonly PayloadColumn[]>> = {
  data: DATA_COLUMNS,
  cloudevent: CLOUDEVENT_COLUMNS,
};

/** @throws event_type.invalid for colliding names, too many columns or an impossible decimal */
export function planColumns(type: EventType): ColumnPlan {
  const beside = besideOf(type);
  const { id, eventType, flowId, partition, time, body } = envelopePaths(type);
  const planner = new Planner(ENVELOPE_COLUMNS.length + leavesOf(beside) + 1, payloadSchema(type));
  // At the root nothing but an object is an event, so its properties count even without a `type`.
  const payload = planner.root(
    type.category === "business" ? "metadata" : undefined,
    new Set([...RESERVED, ...(isCaptured(type) ? [CURRENT_SLICE] : []), ...beside.map(({ name }) => name)]),
  );
  const hasEnvelope = hasMetadata(type) || type.category === "cloudevent";
  const extra: Column = { name: EXTRA, type: JSON_TEXT, nullable: true };
  return {
    columns: [...ENVELOPE_COLUMNS, ...beside, ...payload, extra],
    envelope: ENVELOPE_COLUMNS,
    beside,
    payload,
    body,
    held: hasEnvelope ? [id, eventType, flowId, partition].filter((path) => path !== undefined) : [],
    heldTime: hasEnvelope ? time : undefined,
    partitions: [{ name: INGEST_DATE, type: { kind: "date" }, nullable: false }],
  };
}

function besideOf(type: EventType): readonly PayloadColumn[] {
  const beside = BESIDE[type.category] ?? [];
  return isCaptured(type) ? [...beside, ...CHANGE_COLUMNS] : beside;
}

function leavesOf(columns: readonly Column[]): number {
  return columns.reduce((sum, { type }) => sum + (type.kind === "struct" ? leavesOf(type.fields) : 1), 0);
}

/** Names that Delta tables (without column mapping), file systems and SQL can all hold. */
export function isColumnName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= COLUMN_NAME_LENGTH_MAX &&
    !/[ ,;{}()\n\t=]/.test(name) &&
    // oxlint-disable-next-line no-control-regex -- a control character in a name helps nobody
    !/[\u0000-\u001f\u007f]/.test(name) &&
    name.isWellFormed()
  );
}

class Planner {
  readonly #schema: JsonSchema;
  /** References being followed: one that meets itself is recursive, hence open. */
  readonly #following = new Set<string>(["#"]);
  #leaves: number;

  constructor(leaves: number, schema: JsonSchema) {
    this.#leaves = leaves;
    this.#schema = schema;
  }

  /** @param reserved names in lower case */
  root(excluded: string | undefined, reserved: ReadonlySet<string>): PayloadColumn[] {
    const root = this.#resolve(this.#schema);
    const columns: PayloadColumn[] = [];
    if (!root) return columns;
    const names = new Map<string, string>();
    for (const [field, schema] of propertiesOf(root.schema)) {
      if (field === excluded || !isColumnName(field)) continue;
      const name = reserved.has(field.toLowerCase()) ? RESERVED_FIELD_PREFIX + field : field;
      if (!isColumnName(name)) continue;
      claim(names, name, field, "");
      columns.push({ ...this.#column(name, schema, `/${field}`, 0), field });
    }
    root.leave();
    return columns;
  }

  #column(name: string, schema: unknown, at: string, depth: number): Column {
    const description: unknown = isNode(schema) ? schema.description : undefined;
    const type = this.#type(schema, at, depth);
    return {
      name,
      type,
      nullable: true,
      ...(typeof description === "string" && description !== "" ? { description } : {}),
    };
  }

  /** @param depth structs and lists around this value */
  #type(given: unknown, at: string, depth: number): ColumnType {
    const resolved = isNode(given) ? this.#resolve(given) : undefined;
    if (!resolved) return this.#leaf(JSON_TEXT);
    const { schema, leave } = resolved;
    const type = this.#typeOf(schema, at, depth);
    leave();
    return type;
  }

  #typeOf(schema: JsonSchema, at: string, depth: number): ColumnType {
    switch (soleType(schema)) {
      case "boolean":
        return this.#leaf({ kind: "boolean" });
      case "integer":
        return this.#leaf(decimalOf(schema, at, false) ?? LONG);
      case "number":
        return this.#leaf(decimalOf(schema, at, false) ?? { kind: "double" });
      case "string":
        if (schema.format === "date-time") return this.#leaf(TIMESTAMP);
        if (schema.format === "date") return this.#leaf({ kind: "date" });
        return this.#leaf(decimalOf(schema, at, true) ?? STRING);
      case "object":
        return depth < COLUMN_DEPTH_MAX ? this.#struct(schema, at, depth) : this.#leaf(JSON_TEXT);
      case "array":
        return depth < COLUMN_DEPTH_MAX ? this.#list(schema, at, depth) : this.#leaf(JSON_TEXT);
      default:
        return this.#nullableAlternative(schema, at, depth);
    }
  }

  #struct(schema: JsonSchema, at: string, depth: number): ColumnType {
    const fields: Column[] = [];
    const names = new Map<string, string>();
    for (const [field, property] of propertiesOf(schema)) {
      if (!isColumnName(field)) continue;
      claim(names, field, field, at);
      fields.push(this.#column(field, property, `${at}/${field}`, depth + 1));
    }
    return fields.length > 0 ? { kind: "struct", fields } : this.#leaf(JSON_TEXT);
  }

  #list(schema: JsonSchema, at: string, depth: number): ColumnType {
    const { items } = schema;
    const isTuple = schema["prefixItems"] !== undefined;
    if (isTuple || !isNode(items) || Object.keys(items).length === 0) return this.#leaf(JSON_TEXT);
    return { kind: "list", element: this.#type(items, `${at}/0`, depth + 1) };
  }

  /** `anyOf` or `oneOf` of T and null is a nullable T, the way many generators write it. */
  #nullableAlternative(schema: JsonSchema, at: string, depth: number): ColumnType {
    if (schema.type === undefined) {
      const choices = schema["anyOf"] ?? schema["oneOf"];
      const others = Array.isArray(choices)
        ? choices.filter((choice) => !isNode(choice) || choice.type !== "null")
        : [];
      if (others.length === 1 && Array.isArray(choices) && choices.length === 2)
        return this.#type(others[0], at, depth);
    }
    return this.#leaf(JSON_TEXT);
  }

  #leaf(type: ColumnType): ColumnType {
    this.#leaves++;
    if (this.#leaves > COLUMNS_MAX)
      throw invalid(`the schema declares more than ${COLUMNS_MAX} columns`, { limit: COLUMNS_MAX });
    return type;
  }

  /** Follows local references. Undefined: remote, dangling or recursive, so nothing is known of the value. */
  #resolve(schema: JsonSchema): { schema: JsonSchema; leave: () => void } | undefined {
    const followed: string[] = [];
    const leave = (): void => followed.forEach((reference) => this.#following.delete(reference));
    let current: unknown = schema;
    while (isNode(current)) {
      const reference: unknown = current.$ref;
      if (reference === undefined) return { schema: current, leave };
      if (typeof reference !== "string" || this.#following.has(reference)) break;
      this.#following.add(reference);
      followed.push(reference);
      current = this.#lookUp(reference);
    }
    leave();
    return undefined;
  }

  /** @param reference as in `#/definitions/address` */
  #lookUp(reference: string): unknown {
    if (reference === "#") return this.#schema;
    if (!reference.startsWith("#/")) return undefined;
    let current: unknown = this.#schema;
    for (const part of reference.slice(2).split("/")) {
      const key = unescapePointer(part);
      if (key === undefined || typeof current !== "object" || current === null) return undefined;
      current = Object.getOwnPropertyDescriptor(current, key)?.value;
    }
    return current;
  }
}

/** The one JSON type besides null that the schema allows; undefined where there are several or none. */
function soleType(schema: JsonSchema): string | undefined {
  if (typeof schema.type === "string") return schema.type;
  if (Array.isArray(schema.type)) {
    const types = new Set<string>(schema.type.filter((type: string) => type !== "null"));
    if (types.size === 2 && types.has("integer") && types.has("number")) return "number";
    return types.size === 1 ? [...types][0] : undefined;
  }
  if (schema.type !== undefined) return undefined;
  const allowed = Object.hasOwn(schema, "const") ? [schema["const"]] : schema.enum;
  const values = Array.isArray(allowed) ? allowed.filter((value) => value !== null) : [];
  if (values.length > 0 && values.every((value) => typeof value === "string")) return "string";
  if (values.length > 0 && values.every((value) => typeof value === "boolean")) return "boolean";
  return undefined;
}

/** A schema that is an object; `true` and `false` are schemas, too, but say nothing. */
function isNode(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function propertiesOf(schema: JsonSchema): [string, unknown][] {
  return isNode(schema.properties) ? Object.entries(schema.properties) : [];
}

function decimalOf(schema: JsonSchema, at: string, quoted: boolean): ColumnType | undefined {
  if (typeof schema.format !== "string" || !schema.format.startsWith("decimal")) return undefined;
  const match = /^decimal\((\d{1,2}), ?(\d{1,2})\)$/.exec(schema.format);
  const precision = Number(match?.[1]);
  const scale = Number(match?.[2]);
  if (!match || precision < 1 || precision > DECIMAL_PRECISION_MAX || scale > precision)
    throw invalid(
      `"${schema.format}" at ${at} is not decimal(precision,scale) with at most ${DECIMAL_PRECISION_MAX} digits`,
      {
        pointer: at,
      },
    );
  return { kind: "decimal", precision, scale, quoted };
}

function claim(names: Map<string, string>, name: string, field: string, at: string): void {
  const folded = name.toLowerCase();
  const other = names.get(folded);
  if (other !== undefined)
    throw invalid(`fields "${other}" and "${field}" would share the column name "${folded}"`, {
      pointer: at,
      fields: [other, field],
    });
  names.set(folded, field);
}

function invalid(message: string, details: Record<string, unknown>): MuaraError {
  return new MuaraError("event_type.invalid", message, { details: { field: "schema.schema", ...details } });
}

function unescapePointer(part: string): string | undefined {
  try {
    return decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
  } catch {
    return undefined; // malformed percent-encoding: the reference leads nowhere
  }
}
