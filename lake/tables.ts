/** Creating Muara's own tables: event tables and projections, all partitioned by the UTC day of acceptance. */
import type { Clock, Randomness } from "../core/clock.ts";
import { INGEST_DATE, type Column } from "../core/columns.ts";
import type { TableLog, TableSnapshot } from "../core/ports/table-log.ts";
import { deltaSchemaOf } from "./parquet/delta-type.ts";
import { createTableChange } from "./table/create-table.ts";

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
  const ingestDate: Column = { name: INGEST_DATE, type: { kind: "date" }, nullable: true };
  const change = createTableChange({
    id: ports.randomness.uuid(),
    name,
    schema: deltaSchemaOf([...columns, ingestDate]),
    partitionColumns: [INGEST_DATE],
    configuration,
    createdTime: ports.clock.nowMs(),
    info: { kind: "create" },
  });
  const { snapshot } = await log.commit({ base, change, check: () => "abandon" });
  return snapshot;
}
