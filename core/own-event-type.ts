/** Event types of Muara's own: nobody publishes to them, and whoever administers everything reads their streams. */
import type { EventType } from "./event-type.ts";
import { FIRST_SCHEMA_VERSION } from "./schema-version.ts";

const DAY_MS = 86_400_000;

/** @param schema of its events, which have their id in `eid` and their time in `occurred_at` */
export function ownEventType(
  name: string,
  schema: Readonly<Record<string, unknown>>,
  retentionDays: number,
  nowIso: string,
): EventType {
  return {
    name,
    owning_application: "muara",
    category: "undefined",
    schema: {
      type: "json_schema",
      schema: JSON.stringify(schema),
      version: FIRST_SCHEMA_VERSION,
      created_at: nowIso,
    },
    enrichment_strategies: [],
    partition_strategy: "random",
    partition_key_fields: [],
    compatibility_mode: "forward",
    cleanup_policy: "delete",
    options: { retention_time: retentionDays * DAY_MS },
    annotations: { "muara/event-id-path": "/eid", "muara/event-time-path": "/occurred_at" },
    labels: {},
    authorization: { admins: [], readers: [], writers: [] },
    created_at: nowIso,
    updated_at: nowIso,
  };
}
