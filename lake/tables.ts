/** Creating Muara's own tables: event tables and projections, all partitioned by the UTC day of acceptance. */
import type { Clock, Randomness } from "../core/clock.ts";
import { INGEST_DATE, planColumns, type Column } from "../core/columns.ts";
import type { EventType } from "../core/event-type.ts";
import type { TableLog, TableSnapshot } from "../core/ports/table-log.ts";
import { deltaSchemaOf } from "./parquet/delta-type.ts";
import { createTableChange } from "./table/create-table.ts";
import { formatSchema, type DeltaStruct } from "./table/delta-schema.ts";

const PARTITION_COLUMNS = [INGEST_DATE];

export interface TablePorts {
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** The table's newest snapshot; creates it where it does not exist. Of several creators one wins, all get its table. */
export async function ensureTable(
  log: TableLog,
  name: string,
  columns: readonly Column[],
  configuration: Readonly<Record<string, string>>,
  ports: TablePorts,
): Promise<TableSnapshot> {
  const base = await log.snapshot();
  if (base.version >= 0) return base;
  const change = createTableChange({
    id: ports.randomness.uuid(),
    name,
    schema: tableSchema(columns),
    partitionColumns: PARTITION_COLUMNS,
    configuration,
    createdTime: ports.clock.nowMs(),
    info: { kind: "create" },
  });
  const { snapshot } = await log.commit({ base, change, check: () => "abandon" });
  return snapshot;
}

/** What the table of an event type will look like, before anything landed. */
export function declaredSchema(type: EventType): {
  schemaString: string;
  partitionColumns: readonly string[];
} {
  return {
    schemaString: formatSchema(tableSchema(planColumns(type).columns)),
    partitionColumns: PARTITION_COLUMNS,
  };
}

/** The schema of a table with these columns. */
export function tableSchema(columns: readonly Column[]): DeltaStruct {
  const ingestDate: Column = { name: INGEST_DATE, type: { kind: "date" }, nullable: true };
  return deltaSchemaOf([...columns, ingestDate]);
}
