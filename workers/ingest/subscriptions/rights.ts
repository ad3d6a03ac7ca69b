/**
 * Who may do what with a subscription. Reading it takes the right to read every one of its event types, always: a
 * subscription gives nobody what they do not have. Its own lists of readers and administrators narrow that down.
 */
import { authorize, isAuthorized, type Principal } from "../../../core/authorize.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { Subscription, SubscriptionInput } from "./subscription.ts";

type Attributes = NonNullable<SubscriptionInput["authorization"]>["readers"];

/** Streams, commits, cursors, stats. @throws auth.forbidden */
export function authorizeReading(principal: Principal, subscription: Subscription): void {
  for (const name of subscription.event_types) authorize(principal, "read", { kind: "event_type", name });
  const { authorization } = subscription;
  if (!authorization || isListed(principal, authorization.readers) || mayAdminister(principal, subscription))
    return;
  throw forbidden(principal, "read", subscription);
}

/** Changing, deleting, resetting. @throws auth.forbidden */
export function authorizeAdministering(principal: Principal, subscription: Subscription): void {
  for (const name of subscription.event_types) authorize(principal, "read", { kind: "event_type", name });
  if (!mayAdminister(principal, subscription)) throw forbidden(principal, "administer", subscription);
}

/** In lists: by what it reads. */
export function maySee(principal: Principal, { event_types }: Subscription): boolean {
  return event_types.every((name) => isAuthorized(principal, "read", { kind: "event_type", name }));
}

/** Whoever declared it, whom it names, and whoever administers all of its event types. */
function mayAdminister(principal: Principal, subscription: Subscription): boolean {
  const { authorization, created_by: creator, event_types: types } = subscription;
  if (principal.id === creator) return true;
  if (authorization && isListed(principal, authorization.admins)) return true;
  return types.every((name) => isAuthorized(principal, "admin", { kind: "event_type", name }));
}

function isListed(principal: Principal, attributes: Attributes): boolean {
  return attributes.some(
    ({ data_type: type, value }) => (type === "*" && value === "*") || value === principal.id,
  );
}

function forbidden(principal: Principal, what: string, { id }: Subscription): MuaraError {
  return new MuaraError("auth.forbidden", `${principal.id} may not ${what} subscription ${id}.`);
}
