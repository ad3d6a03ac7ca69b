/**
 * Who may do what with a subscription. Reading it takes the right to read every one of its event types, always: a
 * subscription gives nobody what they do not have. Its own lists of readers and administrators narrow that down.
 */
import { authorize, isAuthorized, isListed, type Principal, type Resource } from "../../../core/authorize.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { EventType } from "../../../core/event-type.ts";
import type { Registry } from "../../../core/registry.ts";
import { checkNotBlocked } from "../../../core/settings.ts";
import { KIND } from "../declaration.ts";
import { typeResource } from "../rights.ts";
import { ALL_TYPES, type Subscription } from "./subscription.ts";

/** Streams, commits, cursors, stats. @throws auth.forbidden */
export function authorizeReading(registry: Registry, principal: Principal, subscription: Subscription): void {
  authorizeTypes(registry, principal, subscription);
  const { authorization } = subscription;
  const isReader = !authorization || isListed(principal, authorization.readers);
  if (isReader || mayAdminister(registry, principal, subscription)) return;
  throw forbidden(principal, "read", subscription);
}

/** A stream of it: one that nobody may read any more, or that is on the deny-list, ends. @throws also auth.blocked */
export function authorizeStreaming(
  registry: Registry,
  principal: Principal,
  subscription: Subscription,
): void {
  authorizeReading(registry, principal, subscription);
  const { event_types: names } = subscription;
  const all = (): readonly string[] =>
    registry.list<EventType>(KIND).flatMap(({ value }) => value?.name ?? []);
  checkNotBlocked(registry, "CONSUMER", principal.id, names[0] === ALL_TYPES ? all() : names);
}

/** Declaring it. @throws auth.forbidden */
export function authorizeTypes(
  registry: Registry,
  principal: Principal,
  subscription: Pick<Subscription, "event_types">,
): void {
  for (const resource of resourcesOf(registry, subscription)) authorize(principal, "read", resource);
}

/** Changing, deleting, resetting. @throws auth.forbidden */
export function authorizeAdministering(
  registry: Registry,
  principal: Principal,
  subscription: Subscription,
): void {
  authorizeTypes(registry, principal, subscription);
  if (!mayAdminister(registry, principal, subscription))
    throw forbidden(principal, "administer", subscription);
}

/** In lists: by what it reads. */
export function maySee(registry: Registry, principal: Principal, subscription: Subscription): boolean {
  return resourcesOf(registry, subscription).every((one) => isAuthorized(principal, "read", one));
}

/** Whoever declared it, whom it names, and whoever administers all of its event types. */
function mayAdminister(registry: Registry, principal: Principal, subscription: Subscription): boolean {
  const { authorization, created_by: creator } = subscription;
  if (principal.id === creator) return true;
  if (authorization && isListed(principal, authorization.admins)) return true;
  return resourcesOf(registry, subscription).every((one) => isAuthorized(principal, "admin", one));
}

/** All types are those with lists of their own, each by these, and the rest, by a grant on all. */
function resourcesOf(
  registry: Registry,
  { event_types: names }: Pick<Subscription, "event_types">,
): readonly Resource[] {
  const resources = names.map((name) => typeResource(registry, name));
  if (names[0] !== ALL_TYPES) return resources;
  const listed = registry.list<EventType>(KIND).filter(({ value }) => value?.authorization !== undefined);
  return [...resources, ...listed.map(({ value }) => typeResource(registry, value!.name))];
}

function forbidden(principal: Principal, what: string, { id }: Subscription): MuaraError {
  return new MuaraError("auth.forbidden", `${principal.id} may not ${what} subscription ${id}.`);
}
