/** The first commit of a table: its metadata, with the properties that Muara's tables have. */
import type { TableChange } from "../../core/ports/table-log.ts";
import { type DeltaStruct, formatSchema } from "./delta-schema.ts";
import { DEFAULT_PROPERTIES } from "./table-properties.ts";

export interface NewTable {
  /** A fresh UUID: another one for every incarnation of a table of that name. */
  readonly id: string;
  readonly name: string;
  readonly schema: DeltaStruct;
  readonly partitionColumns: readonly string[];
  /** Properties beside, or instead of, the defaults. */
  readonly configuration?: Readonly<Record<string, string>>;
  /** ms since 1970 UTC. */
  readonly createdTime: number;
  readonly info?: Readonly<Record<string, unknown>>;
}

/** To be committed on the empty snapshot (version -1), with `check: () => "abandon"`. */
export function createTableChange(table: NewTable): TableChange {
  return {
    operation: "CREATE TABLE",
    metadata: {
      id: table.id,
      name: table.name,
      schemaString: formatSchema(table.schema),
      partitionColumns: table.partitionColumns,
      configuration: { ...DEFAULT_PROPERTIES, ...table.configuration },
      createdTime: table.createdTime,
    },
    add: [],
    remove: [],
    txns: [],
    info: table.info ?? {},
  };
}
