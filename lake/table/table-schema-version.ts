/**
 * Which version of its event type's schema a table has come to: a property, set by the commit that gave the table its
 * columns. A writer that knows only older versions waits: where a column got wider it would write files of the type
 * that the column no longer has.
 */
import { MuaraError } from "../../core/errors.ts";
import type { TableMetadata } from "../../core/ports/table-log.ts";
import { isNewerSchema } from "../../core/schema-version.ts";

export const SCHEMA_VERSION = "muara.schemaVersion";

/** @param version undefined: the type has none, and the table says nothing */
export function schemaVersionProperty(version: string | undefined): Readonly<Record<string, string>> {
  return version === undefined ? {} : { [SCHEMA_VERSION]: version };
}

/** @throws land.schema_unknown where the table is ahead of `version` */
export function checkSchemaKnown(metadata: TableMetadata | undefined, version: string | undefined): void {
  const present = metadata?.configuration[SCHEMA_VERSION];
  if (!isNewerSchema(present, version)) return;
  throw new MuaraError(
    "land.schema_unknown",
    `The table "${metadata?.name}" has the columns of schema version ${present}, known here is ${version}.`,
    { details: { table: metadata?.name, version: present, known: version } },
  );
}
