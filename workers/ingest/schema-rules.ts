/**
 * What a payload schema may say before it is compiled: rules of Nakadi (root is an object, references stay inside,
 * `compatible` forbids what would break its promise) and bounds on what validating one event can cost.
 *
 * Surprising rule: a schema may refer to itself, but only once per place in the event. Two references from one
 * place, directly or in turn, would double the work with every level.
 */
import { MuaraError } from "../../core/errors.ts";
import type { EventType, JsonSchema } from "../../core/event-type.ts";
import { fieldSchema, isObject, resolveReference, subSchemas } from "./json-schema.ts";
import { Pattern } from "../../core/pattern.ts";
import { PatternError } from "../../core/pattern-parse.ts";

export const SCHEMA_DEPTH_MAX = 64;
/** Schemas in a schema: compiling takes about half a millisecond each. */
export const SCHEMA_NODES_MAX = 2_000;
/** Schemas visited for one event, when references are followed. */
export const SCHEMA_VISITS_MAX = 10_000;
export const ENUM_MAX = 2_000;

const DRAFTS = /^https?:\/\/json-schema\.org\/(schema|draft-0[467]\/(hyper-)?schema)#?$/;
const FORBIDDEN_WHEN_COMPATIBLE = ["not", "patternProperties", "additionalProperties", "additionalItems"];

/** @throws event_type.invalid naming the place in the schema */
export function checkSchemaRules(type: EventType, schema: JsonSchema): void {
  checkDepth(schema);
  const dialect = schema["$schema"];
  if (dialect !== undefined && !(typeof dialect === "string" && DRAFTS.test(dialect)))
    throw invalidSchema("#/$schema", "must name JSON Schema draft-04, draft-06 or draft-07");
  if (schema.type !== undefined && schema.type !== "object")
    throw invalidSchema("#/type", 'the type of an event can only be "object"');
  if (type.category === "business" && fieldSchema(schema, ["metadata"]) !== undefined)
    throw invalidSchema("#/properties/metadata", "metadata is the envelope's and cannot be declared");
  const nodes = new Map<JsonSchema, string>();
  collect(schema, schema, nodes);
  for (const [node, at] of nodes) checkNode(type, node, at);
  checkWork(schema);
}

/** All schemas, also those reached by a reference only. */
function collect(root: JsonSchema, start: JsonSchema, nodes: Map<JsonSchema, string>): void {
  const open: [JsonSchema, string][] = [[start, "#"]];
  for (let entry = open.pop(); entry; entry = open.pop()) {
    const [node, at] = entry;
    if (nodes.has(node)) continue;
    nodes.set(node, at);
    if (nodes.size > SCHEMA_NODES_MAX)
      throw invalidSchema("#", `the schema has more than ${SCHEMA_NODES_MAX} parts`);
    for (const { path, schema } of subSchemas(node)) open.push([schema, `${at}/${path.join("/")}`]);
    if (node.$ref === undefined) continue;
    if (typeof node.$ref !== "string") throw invalidSchema(`${at}/$ref`, "must be a string");
    if (!node.$ref.startsWith("#"))
      throw invalidSchema(`${at}/$ref`, "references to other documents are not followed");
    const target = resolveReference(root, node.$ref);
    if (!isObject(target) && typeof target !== "boolean")
      throw invalidSchema(`${at}/$ref`, "leads nowhere in this schema");
    if (isObject(target)) open.push([target, node.$ref]);
  }
}

function checkNode(type: EventType, node: JsonSchema, at: string): void {
  if (Object.hasOwn(node, "$async")) throw invalidSchema(`${at}/$async`, "is not supported");
  if (type.compatibility_mode === "compatible")
    for (const key of FORBIDDEN_WHEN_COMPATIBLE)
      if (Object.hasOwn(node, key))
        throw invalidSchema(`${at}/${key}`, "is not allowed with compatibility_mode compatible");
  if (Array.isArray(node.enum) && node.enum.length > ENUM_MAX)
    throw invalidSchema(`${at}/enum`, `has more than ${ENUM_MAX} values`);
  if (node["pattern"] !== undefined) checkPattern(node["pattern"], `${at}/pattern`);
  if (isObject(node["patternProperties"]))
    for (const pattern of Object.keys(node["patternProperties"]))
      checkPattern(pattern, `${at}/patternProperties`);
}

function checkPattern(pattern: unknown, at: string): void {
  if (typeof pattern !== "string") throw invalidSchema(at, "must be a string");
  try {
    void new Pattern(pattern);
  } catch (error) {
    if (error instanceof PatternError) throw invalidSchema(at, error.message);
    throw error;
  }
}

function checkDepth(schema: JsonSchema): void {
  let level: object[] = [schema];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > SCHEMA_DEPTH_MAX) throw invalidSchema("#", `is nested deeper than ${SCHEMA_DEPTH_MAX}`);
    level = level.flatMap((container) => Object.values(container)).filter(isContainer);
  }
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** A schema being visited that references may lead back to. */
interface Entry {
  readonly target: JsonSchema;
  /** Where in the event it was entered. */
  readonly place: string;
  /** From where in the event references led back to it. */
  readonly returns: string[];
}

/**
 * Bounds the schemas visited for one place of an event: references are followed, and what they reach counts again.
 * A reference that leads back to a schema being visited must go deeper into the event, and no two such places may
 * overlap; then every place is visited once per entry.
 */
function checkWork(root: JsonSchema): void {
  const entries: Entry[] = [{ target: root, place: "", returns: [] }];
  let visits = 0;
  const visit = (node: JsonSchema, place: string, at: string): void => {
    if (++visits > SCHEMA_VISITS_MAX)
      throw invalidSchema(at, `with references followed the schema has more than ${SCHEMA_VISITS_MAX} parts`);
    for (const { path, schema } of subSchemas(node)) {
      const step = placeOf(path);
      if (step !== undefined) visit(schema, place + step, at);
    }
    if (typeof node.$ref !== "string") return;
    const target = resolveReference(root, node.$ref);
    if (!isObject(target)) return;
    const entry = entries.find((open) => open.target === target);
    if (entry) {
      if (entry.place === place) throw invalidSchema(at, `"${node.$ref}" leads back to itself`);
      if (entry.returns.some((other) => overlap(other, place)))
        throw invalidSchema(at, `"${node.$ref}" is referred to twice from one place of the event`);
      entry.returns.push(place);
      return;
    }
    entries.push({ target, place, returns: [] });
    visit(target, place, node.$ref);
    entries.pop();
  };
  visit(root, "", "#");
}

/** How far into the event a sub-schema goes; undefined where it is not applied at all. */
function placeOf(path: readonly string[]): string | undefined {
  switch (path[0]) {
    case "definitions":
    case "$defs":
      return undefined;
    case "properties":
      return `/${path[1]!.replaceAll("/", "~1")}`;
    case "patternProperties":
    case "additionalProperties":
    case "items":
    case "additionalItems":
    case "contains":
      return "/*";
    default:
      return "";
  }
}

/** Whether two places (parts joined by "/", "*" any one) can be the same or one inside the other. */
function overlap(a: string, b: string): boolean {
  const [left, right] = [a.split("/"), b.split("/")];
  const shared = Math.min(left.length, right.length);
  return left.slice(0, shared).every((part, i) => part === right[i] || part === "*" || right[i] === "*");
}

export function invalidSchema(pointer: string, reason: string): MuaraError {
  return new MuaraError("event_type.invalid", `schema.schema: ${pointer} ${reason}`, {
    details: { field: "schema.schema", pointer },
  });
}
