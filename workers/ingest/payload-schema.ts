/**
 * An event type's JSON Schema, compiled to a check of one event. What Nakadi calls the effective schema: the
 * declared one, plus the envelope's `metadata` where the event itself is the payload.
 *
 * Surprising rules: a schema that excludes nothing compiles to null, and its events are never parsed. Patterns run
 * on a matcher of our own and `uniqueItems` on a set, since ajv's are quadratic or worse.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { fullFormats } from "ajv-formats/dist/formats.js";
import { envelopePaths, type EventType, type JsonSchema, payloadSchema } from "../../core/event-type.ts";
import draft07 from "ajv/dist/refs/json-schema-draft-07.json" with { type: "json" };
import { isObject, mapSchemas } from "./json-schema.ts";
import { Pattern } from "../../core/pattern.ts";
import { areUnique, type FormatTest, type Interpreted, interpretSchema } from "./schema-interpreter.ts";
import { invalidSchema } from "./schema-rules.ts";

/** Longer strings match no format; bounds the backtracking of their expressions. */
const FORMAT_LENGTH_MAX = 65_536;
const URL_LENGTH_MAX = 2_048;
const TEXT_LENGTH_MAX = 300;

const ANNOTATIONS: ReadonlySet<string> = new Set(
  "$comment $id $schema id title description default examples readOnly writeOnly deprecated definitions $defs".split(
    " ",
  ),
);

export interface Violation {
  /** JSON pointer (as a URI fragment) into the event. */
  readonly pointer: string;
  readonly reason: string;
}

export interface PayloadCheck {
  /** @param value the event; of a data event its `data`. @returns the first violation */
  (value: unknown): Violation | null;
}

/** @returns null where no JSON object can violate the schema. @throws event_type.invalid where it is no schema */
export function compilePayloadSchema(type: EventType): PayloadCheck | null {
  const schema = effectiveSchema(type);
  if (isOpen(schema, true)) return null;
  const validate = compile(schema);
  const prefix = ["#", ...envelopePaths(type).body].join("/");
  return (value) => {
    if (validate(value)) return null;
    return violation(validate.errors![0]!, prefix);
  };
}

/** The declared schema in draft-07 terms, with `metadata` allowed and the compatibility mode applied. */
export function effectiveSchema(type: EventType): JsonSchema {
  const isClosed = type.compatibility_mode === "compatible";
  const schema = mapSchemas(payloadSchema(type), (node) => modernise(isClosed ? closed(node) : node));
  if (type.category !== "business") return schema;
  return { ...schema, properties: { ...schema.properties, metadata: {} } };
}

/** draft-04 to draft-07: ids say nothing here, and exclusive bounds were flags. */
function modernise(node: JsonSchema): JsonSchema {
  const { $schema: _schema, $id: _id, ...rest } = node;
  const modern: Record<string, unknown> = rest;
  if (typeof modern["id"] === "string") delete modern["id"];
  for (const [flag, bound] of [
    ["exclusiveMinimum", "minimum"],
    ["exclusiveMaximum", "maximum"],
  ] as const) {
    if (typeof modern[flag] !== "boolean") continue;
    if (modern[flag] && typeof modern[bound] === "number") {
      modern[flag] = modern[bound];
      delete modern[bound];
    } else delete modern[flag];
  }
  return modern;
}

function closed(node: JsonSchema): JsonSchema {
  if (isObject(node.properties) || node.type === "object") return { ...node, additionalProperties: false };
  return Array.isArray(node.items) ? { ...node, additionalItems: false } : node;
}

function isOpen(node: unknown, isRoot: boolean): boolean {
  if (node === true) return true;
  if (!isObject(node)) return false;
  return Object.entries(node).every(([key, value]) => {
    if (ANNOTATIONS.has(key)) return true;
    if (key === "type") return isRoot && value === "object";
    if (key === "required") return Array.isArray(value) && value.length === 0;
    if (key === "additionalProperties") return isOpen(value, false);
    if (key === "properties")
      return isObject(value) && Object.values(value).every((inner) => isOpen(inner, false));
    return false;
  });
}

let sharedAjv: Ajv | undefined;

/** Edges forbid what ajv does: to make code of a schema. There it is interpreted. */
function mayGenerateCode(): boolean {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- the question is whether it may
    return new Function("return true")() === true;
  } catch {
    return false;
  }
}

/** @throws event_type.invalid where it is no schema */
export function interpret(schema: JsonSchema): Interpreted {
  const isSchema = interpretSchema(draft07 as unknown as JsonSchema, FORMATS);
  if (isSchema(schema)) return interpretSchema(schema, FORMATS);
  const { instancePath, message } = isSchema.errors![0]!;
  throw invalidSchema("#", `is no JSON Schema: ${cut(`schema is invalid: data${instancePath} ${message}`)}`);
}

export function compile(schema: JsonSchema): ValidateFunction | Interpreted {
  if (!mayGenerateCode()) return interpret(schema);
  const ajv = (sharedAjv ??= createAjv());
  try {
    return ajv.compile(schema);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidSchema("#", `is no JSON Schema: ${cut(reason)}`);
  } finally {
    ajv.removeSchema(schema);
  }
}

/** What ajv calls for `pattern` and `patternProperties`. */
const linearExpressions = Object.assign((source: string): Pattern => new Pattern(source), {
  code: "new Pattern",
});

function createAjv(): Ajv {
  const ajv = new Ajv({
    strict: false,
    logger: false,
    ownProperties: true,
    multipleOfPrecision: 6,
    inlineRefs: false,
    code: { regExp: linearExpressions },
  });
  for (const [name, format] of Object.entries(fullFormats)) {
    const test = stringTest(format);
    ajv.addFormat(name, test ? (text: string) => text.length <= FORMAT_LENGTH_MAX && test(text) : format);
  }
  ajv.addFormat("url", isUrl);
  ajv.removeKeyword("uniqueItems");
  ajv.addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    validate: (isWanted: boolean, items: unknown[]) => !isWanted || areUnique(items),
    error: { message: "must NOT have duplicate items" },
  });
  return ajv;
}

/** Formats that are expressions or functions on strings; dates, numbers and unchecked ones stay as they are. */
function stringTest(format: unknown): ((text: string) => boolean) | undefined {
  if (format instanceof RegExp) return (text) => format.test(text);
  return typeof format === "function" ? (text) => format(text) === true : undefined;
}

function isUrl(text: string): boolean {
  return text.length <= URL_LENGTH_MAX && /^(https?|ftp):/.test(text) && URL.canParse(text);
}

/** The formats that ajv is given, for the interpreter. */
const FORMATS: ReadonlyMap<string, FormatTest> = new Map(
  Object.entries(fullFormats).flatMap(([name, format]): (readonly [string, FormatTest])[] => {
    const plain = stringTest(format);
    if (plain)
      return [
        [name, { type: "string", test: (text: string) => text.length <= FORMAT_LENGTH_MAX && plain(text) }],
      ];
    if (typeof format !== "object" || !("validate" in format)) return [];
    const { validate } = format;
    const type = "type" in format && format.type === "number" ? "number" : "string";
    const test = validate instanceof RegExp ? (text: string) => validate.test(text) : validate;
    return typeof test === "function" ? [[name, { type, test: test as FormatTest["test"] }]] : [];
  }),
).set("url", { type: "string", test: isUrl });

function violation(
  error: Pick<ErrorObject, "params" | "instancePath" | "message" | "keyword">,
  prefix: string,
): Violation {
  const params = error.params as Record<string, unknown>;
  const beyond = params["missingProperty"] ?? params["additionalProperty"] ?? params["propertyName"];
  const step = typeof beyond === "string" ? `/${beyond.replaceAll("~", "~0").replaceAll("/", "~1")}` : "";
  return {
    pointer: cut(`${prefix}${error.instancePath}${step}`),
    reason: cut(error.message ?? error.keyword),
  };
}

function cut(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}…`;
}
