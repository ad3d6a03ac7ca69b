/**
 * Jobs as consumers of table commits: what a job has still to read stays readable, and so does the snapshot at its
 * place, from which its state is made anew. The tables beside its results follow the commits of its output table.
 */
import { CORRECTIONS_SUFFIX, type Job, jobInputTxn, VIOLATIONS_SUFFIX } from "../core/job.ts";
import type { TableLog } from "../core/ports/table-log.ts";
import type { Registry } from "../core/registry.ts";
import { deliveryConsumers } from "./delivery-consumers.ts";
import { consumedTxn } from "./projection.ts";
import type { LogConsumer } from "./table/log-cleanup.ts";

export interface ConsumerPorts {
  readonly registry: Registry;
  readonly openTable: (name: string) => TableLog;
}

/** All that follow a table's commits by declaration. @param tableId of the table's incarnation */
export async function declaredConsumers(
  ports: ConsumerPorts,
  table: string,
  tableId: string,
): Promise<readonly LogConsumer[]> {
  const jobs = ports.registry.list<Job>("job").flatMap(({ value }) => value ?? []);
  const found = await Promise.all(jobs.map((job) => consumersOf(ports, job, table, tableId)));
  return [...deliveryConsumers(ports.registry, table, tableId), ...found.flat()];
}

async function consumersOf(
  { openTable }: ConsumerPorts,
  { id, name, inputs, output }: Job,
  table: string,
  tableId: string,
): Promise<readonly LogConsumer[]> {
  if (output === table) {
    const sides = [CORRECTIONS_SUFFIX, VIOLATIONS_SUFFIX].map(async (suffix) => {
      const { version, txns } = await openTable(output + suffix).snapshot();
      if (version < 0) return [];
      return [{ name: `job ${name}${suffix}`, version: Number(txns.get(consumedTxn(tableId)) ?? -1n) }];
    });
    return (await Promise.all(sides)).flat();
  }
  if (!inputs.includes(table)) return [];
  const { txns } = await openTable(output).snapshot();
  const version = txns.get(jobInputTxn(id, tableId));
  // One that has not started begins with a snapshot, whichever there is.
  return version === undefined ? [] : [{ name: `job ${name}`, version: Number(version) - 1 }];
}
