/** What of a declaration, beside its schema, cannot become what somebody wants it to be: Nakadi's rules for `PUT`. */
import { CAPTURED_ANNOTATION } from "../../core/change.ts";
import { type EventType, invalidEventType, partitionCount } from "../../core/event-type.ts";
import { ID_PATH_ANNOTATION, TIME_PATH_ANNOTATION } from "../../core/event-type-annotations.ts";
import { isSameValue } from "./same-schema.ts";
import type { SchemaChange } from "./schema-changes.ts";

const IS_FIXED = "is fixed when the type is declared";
/** Once given they stay; null does not take them away. */
const KEPT = ["authorization", "audience", "event_owner_selector"] as const;

/** @throws event_type.invalid for null where something stands that cannot be taken away */
export function checkNothingTaken(before: EventType, given: Readonly<Record<string, unknown>>): void {
  for (const field of KEPT)
    if (given[field] === null && before[field] !== undefined)
      throw invalidEventType(field, "cannot be taken away; leave it out, and it stays");
}

/** @param isAdmin of the system */
export function fixedChanges(before: EventType, after: EventType, isAdmin: boolean): readonly SchemaChange[] {
  return [
    ...fixed("category", before.category, after.category, IS_FIXED),
    ...fixed("enrichment_strategies", before.enrichment_strategies, after.enrichment_strategies, IS_FIXED),
    ...partitioning(before, after, isAdmin),
    ...cleanup(before, after),
    ...statistic(before, after),
    ...(before.event_owner_selector
      ? fixed(
          "event_owner_selector",
          before.event_owner_selector,
          after.event_owner_selector,
          "is fixed once given",
        )
      : []),
    ...[ID_PATH_ANNOTATION, TIME_PATH_ANNOTATION, CAPTURED_ANNOTATION].flatMap((key) =>
      fixed(`annotations.${key}`, before.annotations[key], after.annotations[key], IS_FIXED),
    ),
  ];
}

function partitioning(before: EventType, after: EventType, isAdmin: boolean): readonly SchemaChange[] {
  const [old, now] = [before.partition_strategy, after.partition_strategy];
  if (isAdmin || (old === "random" && now !== "random")) return [];
  return [
    ...fixed("partition_strategy", old, now, 'only "random" can become another'),
    ...fixed("partition_key_fields", before.partition_key_fields, after.partition_key_fields, IS_FIXED),
  ];
}

function cleanup(
  { cleanup_policy: old }: EventType,
  { cleanup_policy: now }: EventType,
): readonly SchemaChange[] {
  if (old === "delete" && now === "compact_and_delete") return [];
  return fixed("cleanup_policy", old, now, 'only "delete" can become another, which is "compact_and_delete"');
}

/** Partitions are added with `PUT /event-types/{name}/partition-count`. */
function statistic(before: EventType, after: EventType): readonly SchemaChange[] {
  const isFirst = before.default_statistic === undefined && partitionCount(before) === partitionCount(after);
  if (isFirst) return [];
  const reason = "is fixed; partitions are added at the address partition-count";
  return fixed("default_statistic", before.default_statistic, after.default_statistic, reason);
}

function fixed(field: string, old: unknown, now: unknown, reason: string): readonly SchemaChange[] {
  if (isSameValue(old, now)) return [];
  return [
    { field, keyword: "declaration", old: old ?? null, new: now ?? null, kind: "incompatible", reason },
  ];
}
