/** What rules have come to, as whoever evaluates them keeps it. */
import { isAuthorized, type Principal, type Resource } from "../core/authorize.ts";
import { type Rule, ruleStatePath, type RuleState } from "../core/rule.ts";
import type { ApiPorts } from "./context.ts";

/** Rules, their alerts, silences. */
export const ALERTS: Resource = { kind: "system", name: "alerts" };

/** One's own, and for whoever may read them all, everybody's. */
export function mayRead(principal: Principal, { owner }: Rule): boolean {
  return owner.id === principal.id || isAuthorized(principal, "read", ALERTS);
}

/** undefined where it was not evaluated yet. */
export async function stateOf({ store }: ApiPorts, { id }: Rule): Promise<RuleState | undefined> {
  const bytes = await store?.get(ruleStatePath(id));
  return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as RuleState);
}
