/** Changes properties of a table by a commit of metadata only, however often others change them at the same time. */
import { MuaraError } from "../../core/errors.ts";
import type { TableLog, TableMetadata, TableSnapshot } from "../../core/ports/table-log.ts";

/** Changes of the metadata by others that one attempt may meet. */
const ATTEMPTS_MAX = 16;

export interface PropertyChange {
  /** For the commit's info. */
  readonly kind: string;
  /** All properties as they shall be; undefined where they are right. Asked again after others changed them. */
  readonly decide: (metadata: TableMetadata) => Readonly<Record<string, string>> | undefined;
}

/**
 * @param found decided on first; need not be the newest
 * @returns the newest snapshot, as far as is known
 * @throws table.not_found, table.commit_conflict where others change the metadata all the time, what `decide` throws
 */
export async function setProperties(
  log: TableLog,
  found: TableSnapshot,
  { kind, decide }: PropertyChange,
): Promise<TableSnapshot> {
  let base = found;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const { metadata } = base;
    if (!metadata) throw new MuaraError("table.not_found", "The table has no commit yet.");
    const configuration = decide(metadata);
    if (!configuration) return base;
    const outcome = await log.commit({
      base,
      change: {
        operation: "SET TBLPROPERTIES",
        metadata: { ...metadata, configuration },
        add: [],
        remove: [],
        txns: [],
        info: { kind },
      },
      check: (winner) => (winner.metadata ? "abandon" : "rebase"),
    });
    base = outcome.snapshot;
    if (outcome.outcome === "committed") return base;
  }
  throw new MuaraError("table.commit_conflict", "Others change the table's metadata all the time.");
}
