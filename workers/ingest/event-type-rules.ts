/** What a declaration may ask for, as the configuration has it. Administrators of the system may ask for more. */
import { type EventType, invalidEventType, partitionCount } from "../../core/event-type.ts";
import { MATERIALISE_ANNOTATION } from "../../core/event-type-annotations.ts";
import type { Registry } from "../../core/registry.ts";
import { isOn } from "../../core/settings.ts";

export interface EventTypeRules {
  /** Of one event type. */
  readonly partitions: number;
  /** Bounds of the retention in the log, ms. */
  readonly retentionMinMs: number;
  readonly retentionMaxMs: number;
}

/** @param isAdmin of the system @throws event_type.invalid */
export function checkRules(
  { rules, registry }: { readonly rules?: EventTypeRules | undefined; readonly registry: Registry },
  type: EventType,
  isAdmin: boolean,
): void {
  if (isOn(registry, "force_event_type_authz") && !type.authorization)
    throw invalidEventType("authorization", "is needed: an administrator has set force_event_type_authz");
  if (isOn(registry, "force_data_lake_annotations") && type.annotations[MATERIALISE_ANNOTATION] === undefined)
    throw invalidEventType(
      `annotations.${MATERIALISE_ANNOTATION}`,
      "is needed: an administrator has set force_data_lake_annotations",
    );
  if (!rules || isAdmin) return;
  checkPartitions(rules, partitionCount(type), "default_statistic");
  const { retentionMinMs, retentionMaxMs } = rules;
  const retention = type.options.retention_time;
  if (retention !== undefined && (retention < retentionMinMs || retention > retentionMaxMs))
    throw invalidEventType(
      "options.retention_time",
      `must be from ${retentionMinMs} to ${retentionMaxMs} ms`,
    );
}

/** @throws event_type.invalid */
export function checkPartitions({ partitions }: EventTypeRules, wanted: number, field: string): void {
  if (wanted > partitions)
    throw invalidEventType(field, `asks for ${wanted} partitions, more than ${partitions}`);
}
