/** The logs of all tables of a process, each opened once, and who is told of their commits. */
import { CommitNotices } from "../../core/commit-notices.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { Measures } from "../../core/measures.ts";
import type { TableLog } from "../../core/ports/table-log.ts";
import { openTableLog, type TableLogOptions } from "./table-log.ts";

export interface OpenTables {
  readonly openTable: (name: string) => TableLog;
  readonly commits: CommitNotices;
}

export interface OpenTablesOptions extends Omit<TableLogOptions, "onCommit"> {
  /** Absent: nothing is counted. */
  readonly measures?: Measures | undefined;
}

export function openTables(store: ObjectStore, options: OpenTablesOptions): OpenTables {
  const tables = new Map<string, TableLog>();
  const commits = new CommitNotices();
  const openTable = (name: string): TableLog => {
    let table = tables.get(name);
    if (!table) {
      const opened = openTableLog(store, name, { ...options, onCommit: () => commits.tell(name) });
      table = measured(opened, options);
      tables.set(name, table);
    }
    return table;
  };
  return { openTable, commits };
}

function measured(table: TableLog, { measures, clock }: OpenTablesOptions): TableLog {
  if (!measures) return table;
  const commit: TableLog["commit"] = async (request) => {
    let outcome = "failed";
    try {
      const ended = await measures.timed("muara_table_commit_seconds", {}, clock, () =>
        table.commit(request),
      );
      ({ outcome } = ended);
      return ended;
    } finally {
      measures.count("muara_table_commits", { outcome });
    }
  };
  return { ...table, commit };
}
