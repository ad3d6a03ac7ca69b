/**
 * What administrators set while the service runs (Nakadi's `/settings`): who administers everything, whom and what the
 * door refuses, and features. Declared in the registry, so that every process has them. Here is what they mean; they
 * are changed in workers/ingest/settings.
 *
 * Surprising rule: a feature is as `FEATURES` says until somebody sets it.
 */
import { MuaraError } from "./errors.ts";
import type { EventType } from "./event-type.ts";
import type { Registry } from "./registry.ts";

export const SETTING = "setting";

export type Grants = NonNullable<EventType["authorization"]>;

/** Effects that features have here, and whether they are on until they are set. */
export const FEATURES = {
  delete_event_type_with_subscriptions: false,
  disable_db_write_operations: false,
  disable_event_type_creation: false,
  disable_event_type_deletion: false,
  disable_subscription_creation: false,
  force_data_lake_annotations: false,
  force_event_type_authz: false,
  repartitioning: true,
  return_body_on_create_update_event_type: true,
} as const satisfies Record<string, boolean>;
export type Feature = keyof typeof FEATURES;
export type FixedFeatures = Readonly<Record<string, readonly [isOn: boolean, reason: string]>>;

/** Of Nakadi's other features: what is always so here, and why it cannot be set otherwise. */
const FIXED: FixedFeatures = {
  access_log_enabled: [false, "What is asked of the service is told by its logs and metrics."],
  dlq_redrive_event_type_attachment_job: [false, "Dead letters are replayed with /v1/dead-letters/replay."],
  event_owner_selector_authz: [false, "Rights on rows are grants: /v1/roles."],
  force_subscription_authz: [false, "Reading a subscription takes the right to read its event types."],
  kpi_collection: [false, "Figures are at /metrics."],
  remote_tokeninfo: [false, "Tokens are checked here."],
  skip_misplaced_events: [false, "An event type has a log stream of its own."],
  token_subscription_iteration: [false, "Subscriptions are listed by limit and offset."],
  validate_event_type_owning_app: [false, "The owner is not looked up anywhere."],
  validate_subscription_owning_app: [false, "The owner is not looked up anywhere."],
};

/** @param isAudited by the configuration */
export function fixedFeatures(isAudited: boolean): FixedFeatures {
  return {
    ...FIXED,
    audit_log_collection: [isAudited, "Auditing is a matter of the configuration: `audit`."],
  };
}

export type DenyKind = "CONSUMER_APP" | "CONSUMER_ET" | "PRODUCER_APP" | "PRODUCER_ET";
export const DENY_KINDS: readonly DenyKind[] = ["CONSUMER_APP", "CONSUMER_ET", "PRODUCER_APP", "PRODUCER_ET"];
export type DenyList = Readonly<Record<DenyKind, readonly string[]>>;

const NOBODY: Grants = { admins: [], readers: [], writers: [] };
const NOTHING: DenyList = { CONSUMER_APP: [], CONSUMER_ET: [], PRODUCER_APP: [], PRODUCER_ET: [] };

export function isOn(registry: Registry, feature: Feature): boolean {
  const set = registry.get<Partial<Record<Feature, boolean>>>(SETTING, "features")?.value;
  return set?.[feature] ?? FEATURES[feature];
}

/** Who has every right, who may read and who may write everything. */
export function adminsOf(registry: Registry): Grants {
  return registry.get<Grants>(SETTING, "admins")?.value ?? NOBODY;
}

export function denyListOf(registry: Registry): DenyList {
  return registry.get<DenyList>(SETTING, "blacklist")?.value ?? NOTHING;
}

/** @throws auth.blocked where the application or the event type is on the deny-list */
export function checkNotBlocked(
  registry: Registry,
  side: "CONSUMER" | "PRODUCER",
  application: string,
  eventTypes: readonly string[],
): void {
  const denyList = registry.get<DenyList>(SETTING, "blacklist")?.value;
  if (!denyList) return;
  const isBlocked =
    denyList[`${side}_APP`].includes(application) ||
    eventTypes.some((name) => denyList[`${side}_ET`].includes(name));
  if (isBlocked) throw new MuaraError("auth.blocked", "Application or event type is blocked.");
}
