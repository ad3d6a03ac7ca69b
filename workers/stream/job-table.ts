/** The tables of a job: made where they do not exist, and given the columns that a later text has more. */
import { MuaraError } from "../../core/errors.ts";
import { type Job, JOB_PROPERTY, jobVersion, jobVersionTxn } from "../../core/job.ts";
import type { TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import { createTableChange } from "../../lake/table/create-table.ts";
import { type DeltaStruct, formatSchema, parseSchema } from "../../lake/table/delta-schema.ts";
import type { OutputPorts } from "./output-ports.ts";

/**
 * @param output whose `txn`s say which text is at work; undefined: the table is itself the output
 * @throws job.output_taken, store.unavailable
 */
export async function ensureTable(
  ports: OutputPorts,
  job: Job,
  name: string,
  schemaString: string,
  output?: TableSnapshot,
): Promise<[TableLog, TableSnapshot]> {
  const log = ports.openTable(name);
  let snapshot = await log.snapshot();
  if (snapshot.version < 0) snapshot = await created(ports, job, name, schemaString, log, snapshot);
  for (;;) {
    const { configuration, schemaString: present } = snapshot.metadata!;
    const owner = configuration[JOB_PROPERTY];
    if (owner !== job.name)
      throw taken(name, owner === undefined ? "is no table of a job" : `belongs to the job "${owner}"`, job);
    const grown = grownSchema(parseSchema(present), parseSchema(schemaString), name, job);
    if (!grown) return [log, snapshot];
    const at = (output ?? snapshot).txns.get(jobVersionTxn(job.id));
    if (at !== undefined && Number(at) >= jobVersion(job))
      throw taken(name, "has other columns than the job's result", job);
    const metadata = { ...snapshot.metadata!, schemaString: formatSchema(grown) };
    const change = {
      operation: "ADD COLUMNS" as const,
      metadata,
      add: [],
      remove: [],
      txns: [],
      info: { kind: "schema" },
    };
    ({ snapshot } = await log.commit({ base: snapshot, change, check: () => "abandon" }));
  }
}

async function created(
  { randomness, clock }: OutputPorts,
  job: Job,
  name: string,
  schemaString: string,
  log: TableLog,
  base: TableSnapshot,
): Promise<TableSnapshot> {
  const change = createTableChange({
    id: randomness.uuid(),
    name,
    schema: parseSchema(schemaString),
    partitionColumns: [],
    configuration: { [JOB_PROPERTY]: job.name },
    createdTime: clock.nowMs(),
    info: { kind: "create" },
  });
  return (await log.commit({ base, change, check: () => "abandon" })).snapshot;
}

/** @returns undefined where it has all columns already @throws job.output_taken where one is of another type */
function grownSchema(
  present: DeltaStruct,
  wanted: DeltaStruct,
  name: string,
  job: Job,
): DeltaStruct | undefined {
  const known = new Map(present.fields.map((field) => [field.name, field]));
  const other = wanted.fields.find((field) => {
    const former = known.get(field.name);
    return former && JSON.stringify(former.type) !== JSON.stringify(field.type);
  });
  if (other) throw taken(name, `has a column "${other.name}" of another type than the job's result`, job);
  const added = wanted.fields.filter((field) => !known.has(field.name));
  return added.length === 0 ? undefined : { ...present, fields: [...present.fields, ...added] };
}

function taken(table: string, why: string, { name: job }: Job): MuaraError {
  return new MuaraError("job.output_taken", `The table "${table}" ${why}.`, { details: { table, job } });
}
