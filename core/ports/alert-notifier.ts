/**
 * Where alerts are told to.
 *
 * Contract: `notify` may send again what was taken before (whoever receives tells by fingerprint and start). It tries
 * several times where trying helps, and never throws for what the other side does. `taken`: the other side has all of
 * them. `refused`: it has said no to what was sent, and would again. `later`: not now, or nobody knows.
 */
import type { ToldAlert } from "../alert-webhook.ts";

export type NotifyOutcome =
  | { readonly outcome: "taken" }
  | { readonly outcome: "refused"; readonly reason: string }
  | { readonly outcome: "later"; readonly reason: string };

export interface AlertNotifier {
  notify(alerts: readonly ToldAlert[], signal: AbortSignal): Promise<NotifyOutcome>;
}
