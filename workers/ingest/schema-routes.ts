/**
 * The versions of an event type's schema (Nakadi's `/event-types/{name}/schemas`): reading them, looking one up by what
 * it says, adding one, and asking whether one would be taken.
 */
import { MuaraError } from "../../core/errors.ts";
import { type EventType, invalidEventType } from "../../core/event-type.ts";
import { jsonResponse } from "../../core/http.ts";
import { parseJson } from "../../core/parse-json.ts";
import type { Call, RoutePart } from "./call.ts";
import type { DeclarePorts } from "./declaration.ts";
import { changeEventType, listSchemas, readEventType } from "./event-types.ts";
import { isObject } from "./json-schema.ts";
import { pageOf } from "./page.ts";
import { judgeRedeclaration } from "./redeclare.ts";
import { authorizeType } from "./rights.ts";
import { isSameValue } from "./same-schema.ts";
import type { StoredSchema } from "./schema-archive.ts";

export function schemaRoutes(ports: DeclarePorts): RoutePart {
  const { registry } = ports;
  const found = async ({ principal, name, param }: Call): Promise<StoredSchema> => {
    const all = await listSchemas(registry, principal, name);
    const wanted = param("version");
    const schema = wanted === "latest" ? all[0] : all.find(({ version }) => version === wanted);
    if (!schema)
      throw new MuaraError("request.not_found", `"${name}" has no schema of this version.`, {
        details: { versions: all.slice(0, 20).map(({ version }) => version) },
      });
    return schema;
  };
  const list = async (call: Call): Promise<Response> => {
    const all = await listSchemas(registry, call.principal, call.name);
    return jsonResponse(pageOf(all, call, `/event-types/${call.name}/schemas`), 200, call.flowId);
  };
  const add = async (call: Call): Promise<Response> => {
    const { principal, name, flowId } = call;
    const isLookUp = call.query("fetch") === "true";
    await authorizeType(registry, principal, isLookUp ? "read" : "admin", name);
    const given = schemaIn(await call.json());
    if (isLookUp) {
      const all = await listSchemas(registry, principal, name);
      const same = all.find(({ schema }) => isSameValue(textAsJson(schema), textAsJson(given)));
      if (!same) throw new MuaraError("request.not_found", `"${name}" has no such schema.`);
      return jsonResponse(same, 200, flowId);
    }
    const input = { schema: { type: "json_schema", schema: given } };
    const { type } = await changeEventType(ports, principal, name, input, null, false);
    return jsonResponse(type.schema, 201, flowId);
  };
  const check = async (call: Call): Promise<Response> => {
    const { type } = await readEventType(registry, call.principal, call.name);
    const base: EventType = { ...type, schema: await found(call) };
    const schema = schemaIn(await call.json());
    return jsonResponse(verdict(base, schema), 200, call.flowId);
  };
  return ({ on, refuseOthers }) => {
    on("GET", "/event-types/:name/schemas", list);
    on("POST", "/event-types/:name/schemas", add);
    refuseOthers("/event-types/:name/schemas", "GET, HEAD, POST");
    on("GET", "/event-types/:name/schemas/:version", async (call) =>
      jsonResponse(await found(call), 200, call.flowId),
    );
    refuseOthers("/event-types/:name/schemas/:version", "GET, HEAD");
    on("POST", "/event-types/:name/schemas/:version/compatibility-check", check);
    refuseOthers("/event-types/:name/schemas/:version/compatibility-check", "POST");
  };
}

function verdict(base: EventType, schema: string): Record<string, unknown> {
  const mode = { compatibility_mode: base.compatibility_mode, schema_version: base.schema.version };
  try {
    const input = { schema: { type: "json_schema", schema } };
    const judged = judgeRedeclaration({ before: base, earlier: [], input, isAdmin: false });
    const refused = judged.refused[0];
    const isCompatible = refused === undefined;
    const error = refused ? `${refused.field || "the event"}: ${refused.reason}` : null;
    return { compatible: isCompatible, ...mode, error, changes: judged.changes };
  } catch (error) {
    if (!(error instanceof MuaraError)) throw error;
    return { compatible: false, ...mode, error: error.message, changes: [] };
  }
}

/** A schema is text in JSON; as an object it is taken, too. @throws event_type.invalid */
function schemaIn(body: unknown): string {
  const schema = isObject(body) ? body["schema"] : undefined;
  if (typeof schema === "string") return schema;
  if (isObject(schema)) return JSON.stringify(schema);
  throw invalidEventType("schema", "must be the text of a JSON Schema");
}

/** @returns the text itself where it is no JSON */
function textAsJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}
