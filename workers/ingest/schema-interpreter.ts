/**
 * A JSON Schema (draft-07) as a function, without generating code: for runtimes that forbid it, as edges do. The same
 * verdicts as ajv's, and the same first error; `test/workers/ingest/schema-interpreter.test.ts` holds both side by
 * side over generated schemas. Slower than ajv, so it is used only where ajv cannot run.
 *
 * Surprising rule: where several branches fail (`anyOf`, `oneOf`), the first error is the first one of the first
 * branch, as ajv lists them.
 */
import type { JsonSchema } from "../../core/event-type.ts";
import { isObject, resolveReference } from "./json-schema.ts";
import { Pattern } from "../../core/pattern.ts";

/** What is wrong, in ajv's words. */
export interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly message: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export interface Interpreted {
  (value: unknown): boolean;
  errors: SchemaError[] | null;
}

export interface FormatTest {
  readonly type: "string" | "number";
  readonly test: (value: never) => boolean;
}

interface Run {
  readonly root: JsonSchema;
  readonly formats: ReadonlyMap<string, FormatTest>;
  readonly patterns: Map<string, Pattern>;
  /** Whether a failure here is only one of several branches'. */
  readonly isBranch: boolean;
}

type Found = SchemaError | undefined;

/** Keywords that say something of one type only. */
const OWN_KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  number: ["maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "multipleOf", "format"],
  string: ["maxLength", "minLength", "pattern", "format"],
  array: ["maxItems", "minItems", "additionalItems", "items", "contains", "uniqueItems"],
  object: [
    "maxProperties",
    "minProperties",
    "required",
    "propertyNames",
    "additionalProperties",
    "dependencies",
    "properties",
    "patternProperties",
  ],
};

/** Checks one keyword. @returns what is wrong */
type Keyword<Value> = (run: Run, schema: JsonSchema, value: Value, path: string) => Found;

export function interpretSchema(root: JsonSchema, formats: ReadonlyMap<string, FormatTest>): Interpreted {
  const run: Run = { root, formats, patterns: new Map(), isBranch: false };
  const check: Interpreted = (value) => {
    const found = judge(run, root, value, "");
    check.errors = found ? [found] : null;
    return !found;
  };
  check.errors = null;
  return check;
}

function judge(run: Run, schema: unknown, value: unknown, path: string): Found {
  if (schema === false) return wrong(path, "false schema", "boolean schema is false");
  if (!isObject(schema)) return undefined;
  const types = typesOf(schema);
  const mismatch = (): Found =>
    types.length > 0 && !types.some((type) => isOfType(type, value))
      ? wrong(path, "type", `must be ${types.join(",")}`)
      : undefined;
  // Ajv's order: types, what all values have, what only one type has. But a single type that has keywords of its own
  // is looked at where those are.
  const own = types.length === 1 ? OWN_KEYWORDS[types[0]!] : undefined;
  const typedAt = own?.some((keyword) => schema[keyword] !== undefined) ? types[0] : undefined;
  let found = typedAt === undefined ? mismatch() : undefined;
  found ??= first(anyKeywords, run, schema, value, path);
  if (typeof value === "number") found ??= first(numberKeywords, run, schema, value, path);
  if (typedAt === "number") found ??= mismatch();
  if (typeof value === "string") found ??= first(stringKeywords, run, schema, value, path);
  if (typedAt === "string") found ??= mismatch();
  if (Array.isArray(value)) found ??= first(arrayKeywords, run, schema, value, path);
  if (typedAt === "array") found ??= mismatch();
  if (isObject(value)) found ??= first(objectKeywords, run, schema, value, path);
  return found ?? (typedAt === "object" ? mismatch() : undefined);
}

function branchOf(run: Run): Run {
  return run.isBranch ? run : { ...run, isBranch: true };
}

function first<Value>(
  keywords: readonly Keyword<Value>[],
  run: Run,
  schema: JsonSchema,
  value: Value,
  path: string,
): Found {
  for (const keyword of keywords) {
    const found = keyword(run, schema, value, path);
    if (found) return found;
  }
  return undefined;
}

function wrong(
  instancePath: string,
  keyword: string,
  message: string,
  params: Readonly<Record<string, unknown>> = {},
): SchemaError {
  return { instancePath, keyword, message, params };
}

// types

function typesOf(schema: JsonSchema): string[] {
  const { type } = schema;
  const types = typeof type === "string" ? [type] : Array.isArray(type) ? [...(type as string[])] : [];
  if (types.length > 0 && schema["nullable"] === true && !types.includes("null")) types.push("null");
  return types;
}

function isOfType(type: string, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    case "integer":
      return typeof value === "number" && Number.isFinite(value) && value % 1 === 0;
    case "number":
      return typeof value === "number" && Number.isFinite(value);
    default:
      return typeof value === type;
  }
}

// numbers and strings

function bound<Value>(
  keyword: string,
  holds: (value: Value, limit: number) => boolean,
  message: (limit: number) => string,
): Keyword<Value> {
  return (_run, schema, value, path) => {
    const limit = schema[keyword];
    return typeof limit === "number" && !holds(value, limit)
      ? wrong(path, keyword, message(limit))
      : undefined;
  };
}

const format: Keyword<string | number> = ({ formats }, schema, value, path) => {
  const name = schema.format;
  const known = typeof name === "string" ? formats.get(name) : undefined;
  if (!known || known.type !== typeof value || known.test(value as never)) return undefined;
  return wrong(path, "format", `must match format "${name}"`);
};

const numberKeywords: readonly Keyword<number>[] = [
  bound(
    "maximum",
    (value, limit) => value <= limit,
    (limit) => `must be <= ${limit}`,
  ),
  bound(
    "minimum",
    (value, limit) => value >= limit,
    (limit) => `must be >= ${limit}`,
  ),
  bound(
    "exclusiveMaximum",
    (value, limit) => value < limit,
    (limit) => `must be < ${limit}`,
  ),
  bound(
    "exclusiveMinimum",
    (value, limit) => value > limit,
    (limit) => `must be > ${limit}`,
  ),
  bound("multipleOf", isMultiple, (limit) => `must be multiple of ${limit}`),
  format,
];

function isMultiple(value: number, of: number): boolean {
  const quotient = value / of;
  return of !== 0 && !(Math.abs(Math.round(quotient) - quotient) > 1e-6);
}

const stringKeywords: readonly Keyword<string>[] = [
  bound(
    "maxLength",
    (value, limit) => codePoints(value) <= limit,
    (limit) => `must NOT have more than ${limit} characters`,
  ),
  bound(
    "minLength",
    (value, limit) => codePoints(value) >= limit,
    (limit) => `must NOT have fewer than ${limit} characters`,
  ),
  (run, schema, value, path) => {
    const source = schema["pattern"];
    if (typeof source !== "string" || patternOf(run, source).test(value)) return undefined;
    return wrong(path, "pattern", `must match pattern "${source}"`);
  },
  format,
];

function patternOf({ patterns }: Run, source: string): Pattern {
  let pattern = patterns.get(source);
  if (!pattern) patterns.set(source, (pattern = new Pattern(source)));
  return pattern;
}

function codePoints(text: string): number {
  let count = 0;
  for (const _point of text) count++;
  return count;
}

// any value

const anyKeywords: readonly Keyword<unknown>[] = [
  (run, schema, value, path) =>
    typeof schema.$ref === "string"
      ? judge({ ...run, isBranch: false }, resolveReference(run.root, schema.$ref), value, path)
      : undefined,
  (_run, schema, value, path) =>
    "const" in schema && !isSame(value, schema["const"])
      ? wrong(path, "const", "must be equal to constant")
      : undefined,
  (_run, schema, value, path) =>
    Array.isArray(schema.enum) && !schema.enum.some((allowed) => isSame(value, allowed))
      ? wrong(path, "enum", "must be equal to one of the allowed values")
      : undefined,
  (run, schema, value, path) =>
    "not" in schema && !judge(branchOf(run), schema["not"], value, path)
      ? wrong(path, "not", "must NOT be valid")
      : undefined,
  (run, schema, value, path) => {
    if (!Array.isArray(schema["anyOf"])) return undefined;
    let earliest: Found;
    for (const branch of schema["anyOf"] as unknown[]) {
      const error = judge(branchOf(run), branch, value, path);
      if (!error) return undefined;
      earliest ??= error;
    }
    return earliest;
  },
  (run, schema, value, path) => {
    if (!Array.isArray(schema["oneOf"])) return undefined;
    let matches = 0;
    let earliest: Found;
    for (const branch of schema["oneOf"] as unknown[]) {
      const error = judge(branchOf(run), branch, value, path);
      if (error) earliest ??= error;
      else if (++matches > 1) break;
    }
    if (matches === 1) return undefined;
    return earliest ?? wrong(path, "oneOf", "must match exactly one schema in oneOf");
  },
  (run, schema, value, path) => {
    if (!Array.isArray(schema["allOf"])) return undefined;
    for (const part of schema["allOf"] as unknown[]) {
      const found = judge(run, part, value, path);
      if (found) return found;
    }
    return undefined;
  },
  (run, schema, value, path) => {
    if (!("if" in schema)) return undefined;
    const branch = judge(branchOf(run), schema["if"], value, path) ? "else" : "then";
    return branch in schema ? judge(run, schema[branch], value, path) : undefined;
  },
];

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) || Array.isArray(b))
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, i) => isSame(item, b[i]))
    );
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]))
  );
}

// arrays

const arrayKeywords: readonly Keyword<readonly unknown[]>[] = [
  bound(
    "maxItems",
    (value, limit) => value.length <= limit,
    (limit) => `must NOT have more than ${limit} items`,
  ),
  bound(
    "minItems",
    (value, limit) => value.length >= limit,
    (limit) => `must NOT have fewer than ${limit} items`,
  ),
  (run, schema, value, path) => {
    const { items } = schema;
    const extra = schema["additionalItems"];
    if (!Array.isArray(items) || extra === undefined) return undefined;
    if (extra === false && value.length > items.length)
      return wrong(path, "additionalItems", `must NOT have more than ${items.length} items`);
    return extra === false ? undefined : eachItem(run, extra, value, path, items.length);
  },
  (run, schema, value, path) => {
    const { items } = schema;
    if (items === undefined) return undefined;
    if (!Array.isArray(items)) return eachItem(run, items, value, path, 0);
    for (let i = 0; i < Math.min(items.length, value.length); i++) {
      const found = judge(run, items[i], value[i], `${path}/${i}`);
      if (found) return found;
    }
    return undefined;
  },
  (run, schema, value, path) => {
    if (schema["contains"] === undefined) return undefined;
    let earliest: Found;
    for (const [i, item] of value.entries()) {
      const error = judge(branchOf(run), schema["contains"], item, `${path}/${i}`);
      if (!error) return undefined;
      earliest ??= error;
    }
    const own = wrong(path, "contains", "must contain at least 1 valid item(s)");
    return run.isBranch ? (earliest ?? own) : own;
  },
  (_run, schema, value, path) =>
    schema["uniqueItems"] === true && !areUnique(value)
      ? wrong(path, "uniqueItems", "must NOT have duplicate items")
      : undefined,
];

function eachItem(run: Run, schema: unknown, value: readonly unknown[], path: string, from: number): Found {
  for (let i = from; i < value.length; i++) {
    const found = judge(run, schema, value[i], `${path}/${i}`);
    if (found) return found;
  }
  return undefined;
}

export function areUnique(items: readonly unknown[]): boolean {
  return new Set(items.map(canonical)).size === items.length;
}

/** JSON text that is equal for equal values only; of an object, its sorted members. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner) ? { "": Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)) } : inner,
  );
}

// objects

type Members = Readonly<Record<string, unknown>>;

const objectKeywords: readonly Keyword<Members>[] = [
  bound(
    "maxProperties",
    (value, limit) => Object.keys(value).length <= limit,
    (limit) => `must NOT have more than ${limit} properties`,
  ),
  bound(
    "minProperties",
    (value, limit) => Object.keys(value).length >= limit,
    (limit) => `must NOT have fewer than ${limit} properties`,
  ),
  (_run, schema, value, path) => {
    const missing = schema.required?.find((key) => !Object.hasOwn(value, key));
    return missing === undefined
      ? undefined
      : wrong(path, "required", `must have required property '${missing}'`, { missingProperty: missing });
  },
  (run, schema, value, path) => {
    if (schema["propertyNames"] === undefined) return undefined;
    for (const key of Object.keys(value)) {
      const found = judge(branchOf(run), schema["propertyNames"], key, path);
      if (found) return found;
    }
    return undefined;
  },
  (run, schema, value, path) => {
    const extra = schema["additionalProperties"];
    if (extra === undefined || extra === true) return undefined;
    for (const key of Object.keys(value)) {
      if (isDeclared(run, schema, key)) continue;
      if (extra === false)
        return wrong(path, "additionalProperties", "must NOT have additional properties", {
          additionalProperty: key,
        });
      const found = judge(run, extra, value[key], stepped(path, key));
      if (found) return found;
    }
    return undefined;
  },
  dependencies,
  (run, schema, value, path) => {
    for (const [key, part] of Object.entries(schema.properties ?? {})) {
      const found = Object.hasOwn(value, key) ? judge(run, part, value[key], stepped(path, key)) : undefined;
      if (found) return found;
    }
    return undefined;
  },
  (run, schema, value, path) => {
    for (const [source, part] of Object.entries(mapOf(schema["patternProperties"])))
      for (const key of Object.keys(value)) {
        const isHit = patternOf(run, source).test(key);
        const found = isHit ? judge(run, part, value[key], stepped(path, key)) : undefined;
        if (found) return found;
      }
    return undefined;
  },
];

function isDeclared(run: Run, schema: JsonSchema, key: string): boolean {
  if (Object.hasOwn(schema.properties ?? {}, key)) return true;
  return Object.keys(mapOf(schema["patternProperties"])).some((source) => patternOf(run, source).test(key));
}

/** Lists of keys first, then schemas. */
function dependencies(run: Run, schema: JsonSchema, value: Members, path: string): Found {
  const present = Object.entries(mapOf(schema["dependencies"])).filter(([key]) => Object.hasOwn(value, key));
  for (const [key, needs] of present) {
    const missing = Array.isArray(needs)
      ? (needs as string[]).find((other) => !Object.hasOwn(value, other))
      : undefined;
    if (missing === undefined) continue;
    const list = (needs as string[]).join(", ");
    const what = (needs as string[]).length === 1 ? "property" : "properties";
    return wrong(path, "dependencies", `must have ${what} ${list} when property ${key} is present`, {
      missingProperty: missing,
    });
  }
  for (const [, part] of present) {
    const found = Array.isArray(part) ? undefined : judge(run, part, value, path);
    if (found) return found;
  }
  return undefined;
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

function stepped(path: string, key: string): string {
  return `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
