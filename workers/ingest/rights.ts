/**
 * Who may do what with an event type: by grants, or where it has lists of its own (`authorization`), by these; whoever
 * `/settings/admins` names may do it with every type. Asked with what this process knows of it; only for one that it
 * does not know the registry is read first, since another process may have declared it.
 */
import { authorize, isAuthorized, type Action, type Principal, type Resource } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import { type EventType, RESERVED_PREFIX } from "../../core/event-type.ts";
import type { Registry } from "../../core/registry.ts";
import { adminsOf } from "../../core/settings.ts";
import { findEventType, KIND } from "./declaration.ts";
import { declaredName } from "./declared-name.ts";

/** The event type as far as this process knows it. */
export function typeResource(registry: Registry, name: string): Resource {
  const type = registry.get<EventType>(KIND, declaredName(name))?.value;
  const lists = type?.name === name ? type.authorization : undefined;
  return { kind: "event_type", name, lists, general: adminsOf(registry) };
}

/** What only administrators of the system may do. Those of `/settings/admins` are some. */
export function systemResource(registry: Registry, name: "event_types" | "settings"): Resource {
  return { kind: "system", name, general: { admins: adminsOf(registry).admins } };
}

/** @throws auth.forbidden */
export function authorizeKnownType(
  registry: Registry,
  principal: Principal,
  action: Action,
  name: string,
): void {
  authorize(principal, action, typeResource(registry, name));
}

/** The same for a type that may have been declared elsewhere a moment ago. @throws auth.forbidden */
export async function authorizeType(
  registry: Registry,
  principal: Principal,
  action: Action,
  name: string,
): Promise<void> {
  await findEventType(registry, name);
  if (action !== "read" && name.toLowerCase().startsWith(RESERVED_PREFIX))
    throw new MuaraError("auth.forbidden", `"${name.slice(0, 255)}" is Muara's own.`);
  authorizeKnownType(registry, principal, action, name);
}

/** Whether its declaration is shown: to whoever may do anything with it. */
export function maySeeType(registry: Registry, principal: Principal, name: string): boolean {
  const resource = typeResource(registry, name);
  return (["read", "write", "admin"] as const).some((action) => isAuthorized(principal, action, resource));
}
