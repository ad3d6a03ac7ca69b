/** The registry's side of the door: declaring, listing and reading event types (Nakadi's `/event-types`). */
import { authorize, isAuthorized, type Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import type { EventType } from "../../core/event-type.ts";
import { parseJson } from "../../core/parse-json.ts";
import type { Registry } from "../../core/registry.ts";
import { type DeclarePorts, declareEventType, findEventType, KIND } from "./declaration.ts";

/** Bytes of a declaration; its schema alone may have 1 MiB, more when escaped. */
export const DECLARATION_BYTES_MAX = 4_194_304;

/**
 * Declares what a request's body says.
 * @throws request.malformed, auth.forbidden, event_type.invalid, event_type.exists
 */
export async function createEventType(
  ports: DeclarePorts,
  principal: Principal,
  body: Uint8Array,
): Promise<EventType> {
  const input = parseBody(body);
  const name = isRecord(input) && typeof input["name"] === "string" ? input["name"] : "*";
  // Whoever may not declare it learns nothing about what is declared.
  authorize(principal, "admin", { kind: "event_type", name: name.slice(0, 255) });
  return declareEventType(ports, input);
}

/** What this principal may read or write, by name. */
export async function listEventTypes(registry: Registry, principal: Principal): Promise<EventType[]> {
  await registry.refresh();
  const types = registry.list<EventType>(KIND).map((declaration) => declaration.value!);
  return types.filter((type) => isVisible(principal, type.name));
}

/** @throws auth.forbidden, event_type.not_found */
export async function readEventType(
  registry: Registry,
  principal: Principal,
  name: string,
): Promise<EventType> {
  if (!isVisible(principal, name)) authorize(principal, "read", { kind: "event_type", name });
  return (await findEventType(registry, name))?.value ?? notFound(name);
}

export function notFound(name: string): never {
  // A name that is none is not repeated in the answer.
  const shown = /^[\w.-]{1,255}$/.test(name) ? `"${name}"` : "of this name";
  throw new MuaraError("event_type.not_found", `No event type ${shown} is declared.`);
}

function isVisible(principal: Principal, name: string): boolean {
  const resource = { kind: "event_type", name } as const;
  return isAuthorized(principal, "read", resource) || isAuthorized(principal, "write", resource);
}

/** @throws request.malformed */
function parseBody(body: Uint8Array): unknown {
  try {
    return parseJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body));
  } catch (cause) {
    throw new MuaraError("request.malformed", "The body is not JSON in UTF-8.", { cause });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
