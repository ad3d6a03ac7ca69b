/** What is declared to bring rows of tables into tables: jobs, and deliveries into event types. There is no ring. */
import type { Delivery } from "./delivery.ts";
import { type Job, jobTables } from "./job.ts";
import type { Registry } from "./registry.ts";

export interface TableFlow {
  /** As a message names it. */
  readonly by: string;
  readonly from: readonly string[];
  readonly to: readonly string[];
}

export function jobFlow(job: Pick<Job, "name" | "inputs" | "output">): TableFlow {
  return { by: `job "${job.name}"`, from: job.inputs, to: jobTables(job) };
}

/** Empty where it leaves this Muara. */
export function deliveryFlows({
  name,
  table,
  log,
}: Pick<Delivery, "name" | "table" | "log">): readonly TableFlow[] {
  return log ? [{ by: `delivery "${name}"`, from: [table], to: [log.event_type] }] : [];
}

/** @param exceptJob of which, and of its sinks, somebody else tells */
export function tableFlows(registry: Pick<Registry, "list">, exceptJob?: string): readonly TableFlow[] {
  const jobs = registry
    .list<Job>("job")
    .flatMap(({ value }) => (value && value.name !== exceptJob ? [jobFlow(value)] : []));
  const deliveries = registry
    .list<Delivery>("delivery")
    .flatMap(({ value }) =>
      value && (value.job === undefined || value.job !== exceptJob) ? deliveryFlows(value) : [],
    );
  return [...jobs, ...deliveries];
}

/** The way on which one reads what it writes, itself first and last; undefined where there is none. */
export function ringOf(flow: TableFlow, others: readonly TableFlow[]): readonly string[] | undefined {
  const seen = new Set<string>();
  const wayFrom = (table: string): readonly string[] | undefined => {
    if (flow.from.includes(table)) return [`"${table}"`];
    if (seen.has(table)) return undefined;
    seen.add(table);
    for (const { by, from, to } of others)
      for (const next of from.includes(table) ? to : []) {
        const way = wayFrom(next);
        if (way) return [`"${table}"`, by, ...way];
      }
    return undefined;
  };
  for (const table of flow.to) {
    const way = wayFrom(table);
    if (way) return [flow.by, ...way, flow.by];
  }
  return undefined;
}
