/**
 * The schemas that an event type had before, in the registry under `name/version`. What was declared under a version
 * never changes, so it does not matter who stores it. They outlive the type: the lake's table has all their columns.
 */
import { hasCode } from "../../core/errors.ts";
import type { EventType } from "../../core/event-type.ts";
import type { Registry } from "../../core/registry.ts";
import { isNewerSchema } from "../../core/schema-version.ts";
import { declaredName } from "./declared-name.ts";

const SCHEMA_KIND = "event-schema";

export type StoredSchema = EventType["schema"];

/** Every schema that the type ever had, newest first. */
export function schemasOf(registry: Registry, type: EventType): readonly StoredSchema[] {
  const others = archivedSchemas(registry, type.name).filter(
    ({ version }) => version !== type.schema.version,
  );
  return [type.schema, ...others.toReversed()];
}

/** What is stored, oldest first. */
export function archivedSchemas(registry: Registry, eventTypeName: string): readonly StoredSchema[] {
  const prefix = `${declaredName(eventTypeName)}/`;
  return registry
    .list<StoredSchema>(SCHEMA_KIND)
    .filter(({ name }) => name.startsWith(prefix))
    .map(({ value }) => value!)
    .sort((a, b) => (isNewerSchema(a.version, b.version) ? 1 : -1));
}

export async function archiveSchema(registry: Registry, { name, schema }: EventType): Promise<void> {
  const key = `${declaredName(name)}/${schema.version}`;
  if (registry.get(SCHEMA_KIND, key)) return;
  try {
    await registry.put<StoredSchema>(SCHEMA_KIND, key, 0, schema);
  } catch (error) {
    if (!hasCode(error, "declaration.conflict")) throw error;
  }
}
