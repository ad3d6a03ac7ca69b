/** How many duplicates of a table have the same bytes as what landed, and how many have not: by `txn`s alone. */
import { DUPLICATES } from "../lake/ledger-tables.ts";
import { projectedCount } from "../lake/projection.ts";
import type { TableSnapshot } from "../core/ports/table-log.ts";
import type { ApiPorts } from "./context.ts";

export interface DuplicateCounts {
  readonly identical: number;
  readonly different: number;
  readonly unknown: number;
}

/** Answers for snapshots of event tables. Follows the commits by about a second, as the table `duplicates` does. */
export async function duplicateCounter(
  ports: ApiPorts,
): Promise<(snapshot: TableSnapshot) => DuplicateCounts> {
  const txns = (await ports.catalog.find(DUPLICATES))
    ? (await ports.catalog.snapshot(DUPLICATES)).txns
    : new Map();
  return ({ metadata }) => {
    const countOf = (name: string): number => projectedCount(txns, metadata?.id ?? "", name);
    return { identical: countOf("identical"), different: countOf("different"), unknown: countOf("unknown") };
  };
}
