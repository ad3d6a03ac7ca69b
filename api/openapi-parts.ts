/** Words of which the OpenAPI document is made. */
export type Json = Readonly<Record<string, unknown>>;

export const text: Json = { type: "string" };
export const whole: Json = { type: "integer" };
export const flag: Json = { type: "boolean" };
export const time: Json = { type: ["string", "null"], format: "date-time" };
export const wholeOrNull: Json = { type: ["integer", "null"] };
export const textOrNull: Json = { type: ["string", "null"] };

export function read(
  operationId: string,
  summary: string,
  schema: Json,
  parameters: readonly Json[] = [],
): Json {
  const content = { "application/json": { schema } };
  const responses = { "200": { description: "Found.", content }, default: problem() };
  return { operationId, summary, parameters, responses };
}

/** A request with a body. @param request name of its schema */
export function send(
  operationId: string,
  summary: string,
  request: string,
  [status, description, schema]: readonly ["200" | "201", string, string],
  parameters: readonly Json[] = [],
): Json {
  const requestBody = { required: true, content: json(request) };
  const responses = { [status]: { description, content: json(schema) }, default: problem() };
  return { operationId, summary, parameters, requestBody, responses };
}

/** What declares something by its name, or changes what stands there. */
export function declares(
  operationId: string,
  summary: string,
  request: string,
  schema: string,
  parameters: readonly Json[] = [],
): Json {
  const created = send(operationId, summary, request, ["201", "It is declared.", schema], parameters);
  const changed = { "200": { description: "It is changed.", content: json(schema) } };
  return { ...created, responses: { ...changed, ...(created.responses as Json) } };
}

/** What takes something away, and says no more than that it has. */
export function drop(operationId: string, summary: string, parameters: readonly Json[]): Json {
  const responses = { "204": { description: "Done." }, default: problem() };
  return { operationId, summary, parameters, responses };
}

export function open(operationId: string, summary: string): Json {
  return { operationId, summary, security: [], responses: { "200": { description: "Yes." } } };
}

export function object(properties: Json): Json {
  return { type: "object", properties };
}

/** An object that always has all of these. */
export function full(properties: Json): Json {
  return { type: "object", properties, required: Object.keys(properties) };
}

export function list(items: Json): Json {
  return { type: "array", items };
}

export function listOf(name: string): Json {
  return object({ items: list(reference(name)) });
}

export function reference(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

export function json(name: string): Json {
  return { "application/json": { schema: reference(name) } };
}

export function problem(): Json {
  return { $ref: "#/components/responses/Problem" };
}

export function path(name: string): Json {
  return { name, in: "path", required: true, schema: text };
}

export function query(name: string, schema: Json): Json {
  return { name, in: "query", required: false, schema };
}

/** A body of JSON that must be there. */
export function body(schema: Json): Json {
  return { required: true, content: { "application/json": { schema } } };
}

/** One answer in JSON. */
export function answer(status: string, schema: Json, description = "Done."): Json {
  return { [status]: { description, content: { "application/json": { schema } } } };
}

/**
 * An operation whose rights are declared in it, where a test holds the door to them.
 * @param rights any of them is enough, on what the request names; none: any token
 */
export function operation(
  operationId: string,
  summary: string,
  rights: readonly Right[],
  { responses, ...more }: { readonly responses: Json; readonly [key: string]: unknown },
): Json {
  return {
    operationId,
    summary,
    "x-muara-rights": rights,
    ...more,
    responses: { ...responses, default: problem() },
  };
}

/** `subscription`: all of its event types, and where it has lists of its own, to be in one of them. */
export type Right =
  | `${"read" | "write" | "admin"} event_type`
  | `${"read" | "admin"} subscription`
  | "admin system";
