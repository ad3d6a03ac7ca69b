/**
 * Walking JSON Schemas (draft-04, -06 and -07): which parts of one are schemas themselves, and where a local
 * reference leads. Values under `enum`, `const`, `default` and `examples` are data, whatever they look like.
 */
import type { JsonSchema } from "../../core/event-type.ts";

const ONE = [
  "additionalItems",
  "additionalProperties",
  "contains",
  "else",
  "if",
  "not",
  "propertyNames",
  "then",
];
const LIST = ["allOf", "anyOf", "oneOf"];
const MAP = ["definitions", "$defs", "dependencies", "patternProperties", "properties"];

export interface SubSchema {
  /** Keys from the parent to this schema, e.g. ["properties", "qty"]. */
  readonly path: readonly string[];
  readonly schema: JsonSchema;
}

/** The schemas directly inside `schema`; `true` and `false` say nothing and are left out. */
export function subSchemas(schema: JsonSchema): SubSchema[] {
  const found: SubSchema[] = [];
  const add = (path: readonly string[], value: unknown): void => {
    if (isObject(value)) found.push({ path, schema: value });
  };
  const addList = (key: string, value: unknown): void => {
    if (Array.isArray(value)) value.forEach((item, i) => add([key, String(i)], item));
  };
  for (const key of ONE) add([key], own(schema, key));
  for (const key of LIST) addList(key, own(schema, key));
  addList("items", own(schema, "items"));
  add(["items"], own(schema, "items"));
  for (const key of MAP) {
    const map = own(schema, key);
    if (isObject(map)) for (const [name, value] of Object.entries(map)) add([key, name], value);
  }
  return found;
}

/** A copy in which `change` was applied to every schema, the innermost first. */
export function mapSchemas(schema: JsonSchema, change: (schema: JsonSchema) => JsonSchema): JsonSchema {
  const mapped = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(mapped);
    return isObject(value) ? mapSchemas(value, change) : value;
  };
  // fromEntries defines even `__proto__` as a plain property.
  const entries = Object.entries(schema).map(([key, value]): [string, unknown] => {
    if (ONE.includes(key) || LIST.includes(key) || key === "items") return [key, mapped(value)];
    if (!MAP.includes(key) || !isObject(value)) return [key, value];
    return [key, Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, mapped(inner)]))];
  });
  return change(Object.fromEntries(entries));
}

/** What a local reference (`#`, `#/definitions/x`) leads to. @returns undefined for a remote or dangling one */
export function resolveReference(root: JsonSchema, reference: string): unknown {
  if (reference === "#") return root;
  if (!reference.startsWith("#/")) return undefined;
  let current: unknown = root;
  for (const part of reference.slice(2).split("/")) {
    const key = unescapePart(part);
    if (key === undefined || typeof current !== "object" || current === null) return undefined;
    current = Object.getOwnPropertyDescriptor(current, key)?.value;
  }
  return current;
}

/**
 * The schema of the field at `path`, through `properties` and local references.
 * @returns undefined where the schema does not declare it
 */
export function fieldSchema(root: JsonSchema, path: readonly string[]): JsonSchema | boolean | undefined {
  let current: unknown = followed(root, root);
  for (const key of path) {
    const properties = isObject(current) ? own(current, "properties") : undefined;
    if (!isObject(properties) || !Object.hasOwn(properties, key)) return undefined;
    current = followed(root, properties[key]);
  }
  return isObject(current) || typeof current === "boolean" ? current : undefined;
}

export function isObject(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function followed(root: JsonSchema, schema: unknown): unknown {
  let current = schema;
  for (let hops = 0; isObject(current) && typeof current.$ref === "string"; hops++) {
    if (hops > 32) return undefined;
    current = resolveReference(root, current.$ref);
  }
  return current;
}

function own(schema: JsonSchema, key: string): unknown {
  return Object.hasOwn(schema, key) ? schema[key] : undefined;
}

function unescapePart(part: string): string | undefined {
  try {
    return decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
  } catch {
    return undefined; // malformed percent-encoding: the reference leads nowhere
  }
}
