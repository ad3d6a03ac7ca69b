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

export function open(operationId: string, summary: string): Json {
  return { operationId, summary, security: [], responses: { "200": { description: "Yes." } } };
}

export function object(properties: Json): Json {
  return { type: "object", properties };
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
