/** The registry's side of the door: declaring, listing and reading event types (Nakadi's `/event-types`). */
import { authorize, isAuthorized, type Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import type { EventType } from "../../core/event-type.ts";
import type { Registry } from "../../core/registry.ts";
import { isOn } from "../../core/settings.ts";
import {
  type Declarer,
  type DeclarePorts,
  declareEventType,
  findEventType,
  KIND,
  notFound,
} from "./declaration.ts";
import { authorizeType, maySeeType, systemResource, typeResource } from "./rights.ts";
import { redeclareEventType } from "./redeclare.ts";
import { removeEventType } from "./remove-event-type.ts";
import { repartition } from "./repartition.ts";
import { schemasOf, type StoredSchema } from "./schema-archive.ts";

/**
 * Declares what a request's body says.
 * @throws auth.forbidden, event_type.invalid, event_type.exists
 */
export async function createEventType(
  ports: DeclarePorts,
  principal: Principal,
  input: unknown,
): Promise<EventType> {
  const name = isRecord(input) && typeof input["name"] === "string" ? input["name"] : "*";
  // Whoever may not declare it learns nothing about what is declared.
  authorize(principal, "admin", { ...typeResource(ports.registry, name.slice(0, 255)), lists: undefined });
  return declareEventType(ports, input, declarerOf(ports.registry, principal));
}

/** @throws auth.forbidden, event_type.not_found, .in_use */
export async function deleteEventType(
  ports: DeclarePorts,
  principal: Principal,
  name: string,
): Promise<EventType> {
  await authorizeType(ports.registry, principal, "admin", name);
  return removeEventType(ports, name, principal.id);
}

/** @throws auth.forbidden, event_type.not_found, .invalid, declaration.conflict, feature.disabled */
export async function growEventType(
  ports: DeclarePorts,
  principal: Principal,
  name: string,
  count: number,
): ReturnType<typeof repartition> {
  await authorizeType(ports.registry, principal, "admin", name);
  if (!isOn(ports.registry, "repartitioning"))
    throw new MuaraError("feature.disabled", "An administrator has switched repartitioning off.");
  return repartition(ports, name, count, declarerOf(ports.registry, principal));
}

/** Bounds of the configuration, and some rules of declarations, do not hold for administrators of the system. */
function declarerOf(registry: Registry, principal: Principal): Declarer {
  const isAdmin = isAuthorized(principal, "admin", systemResource(registry, "event_types"));
  return { isAdmin, by: principal.id };
}

/**
 * Declares anew what a request's body says.
 * @param ifMatch the request's header: the revision that the caller saw, as an entity tag
 * @throws request.malformed, auth.forbidden, event_type.not_found, .invalid, .incompatible, declaration.conflict
 */
export async function changeEventType(
  ports: DeclarePorts,
  principal: Principal,
  name: string,
  input: unknown,
  ifMatch: string | null,
  isDryRun: boolean,
): ReturnType<typeof redeclareEventType> {
  await authorizeType(ports.registry, principal, "admin", name);
  const seen = ifMatch === null || ifMatch === "*" ? undefined : /^"(\d{1,15})"$/.exec(ifMatch);
  if (seen === null) throw new MuaraError("request.malformed", "If-Match is not an ETag of this address.");
  const revision = seen ? { revision: Number(seen[1]) } : {};
  const options = { isDryRun, ...declarerOf(ports.registry, principal), ...revision };
  return redeclareEventType(ports, name, input, options);
}

/** Of one event type, newest first. @throws auth.forbidden, event_type.not_found */
export async function listSchemas(
  registry: Registry,
  principal: Principal,
  name: string,
): Promise<readonly StoredSchema[]> {
  await registry.refresh();
  return schemasOf(registry, (await readEventType(registry, principal, name)).type);
}

/** What this principal may do anything with, by name. */
export async function listEventTypes(registry: Registry, principal: Principal): Promise<EventType[]> {
  await registry.refresh();
  const types = registry.list<EventType>(KIND).map((declaration) => declaration.value!);
  return types.filter((type) => maySeeType(registry, principal, type.name));
}

/** @throws auth.forbidden, event_type.not_found */
export async function readEventType(
  registry: Registry,
  principal: Principal,
  name: string,
): Promise<{ readonly type: EventType; readonly revision: number }> {
  await registry.refresh();
  if (!maySeeType(registry, principal, name)) await authorizeType(registry, principal, "read", name);
  const found = await findEventType(registry, name);
  return found?.value ? { type: found.value, revision: found.revision } : notFound(name);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
