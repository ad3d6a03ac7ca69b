/**
 * The whole description of the API, as `/openapi.json` gives it: the document of `openapi.ts` with a tag, the problems
 * and an example of every operation. The examples are recorded by `test/reference/record.ts` and executed by a test.
 */
import recording from "./openapi-examples.json" with { type: "json" };
import type { Json } from "./openapi-parts.ts";
import { problemsOf } from "./openapi-problems.ts";
import { openapiDocument } from "./openapi.ts";
import { TAGS, tagOf } from "./openapi-tags.ts";

interface Recorded {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly status: string;
  readonly type: string;
  readonly answer?: unknown;
}

const EXAMPLES = recording.operations as Readonly<Record<string, Recorded>>;
let described: { readonly version: string; readonly document: Json } | undefined;

/** @param version of this build */
export function describedDocument(version: string): Json {
  if (described?.version !== version) described = { version, document: describe(openapiDocument(version)) };
  return described.document;
}

function describe(document: Json): Json {
  const paths = Object.entries(document["paths"] as Record<string, Record<string, Json>>);
  return {
    ...document,
    servers: [{ url: "/", description: "This Muara." }],
    tags: TAGS.map(({ name, description }) => ({ name, description })),
    paths: Object.fromEntries(
      paths.map(([address, methods]) => [
        address,
        Object.fromEntries(
          Object.entries(methods).map(([method, one]) => [method, withAll(method, address, one)]),
        ),
      ]),
    ),
  };
}

function withAll(method: string, address: string, operation: Json): Json {
  const tagged = {
    ...operation,
    tags: [tagOf(address).name],
    "x-muara-problems": problemsOf(method, address, operation),
  };
  const example = EXAMPLES[String(operation["operationId"])];
  return example === undefined ? tagged : withExample(tagged, example);
}

function withExample(operation: Json, example: Recorded): Json {
  const values: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    path: example.path,
    query: example.query,
    header: example.headers,
  };
  const parameters = ((operation["parameters"] ?? []) as readonly Json[]).map((one) => {
    const value = values[String(one["in"])]?.[String(one["name"])];
    return value === undefined ? one : { ...one, example: typed(value, one["schema"] as Json) };
  });
  const given = operation["requestBody"] as Json | undefined;
  const type = example.headers["content-type"] ?? "application/json";
  const shown = example.body === undefined ? {} : { example: example.body };
  const responses = operation["responses"] as Record<string, Json>;
  return {
    ...operation,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(given ? { requestBody: { ...given, content: within(given["content"] as Json, type, shown) } } : {}),
    responses: { ...responses, [example.status]: answered(responses[example.status] ?? {}, example) },
  };
}

function answered(response: Json, { type, answer }: Recorded): Json {
  if (answer === undefined) return response;
  return { ...response, content: within((response["content"] ?? {}) as Json, type, { example: answer }) };
}

/** Content with something more for one media type. */
function within(content: Json, type: string, more: Json): Json {
  return { ...content, [type]: { ...(content[type] as Json | undefined), ...more } };
}

/** As the parameter's schema has it: a number, where it stands for one. */
function typed(value: string, schema: Json | undefined): unknown {
  const forms = [schema, ...((schema?.["anyOf"] ?? []) as readonly Json[])];
  if (/^\d+$/.test(value) && forms.some((form) => form?.["type"] === "integer")) return Number(value);
  if (schema?.["type"] === "boolean") return value === "true";
  return schema?.["type"] === "array" ? [value] : value;
}
