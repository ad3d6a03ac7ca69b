/** The logs of all tables of a process, each opened once, and who is told of their commits. */
import { CommitNotices } from "../../core/commit-notices.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableLog } from "../../core/ports/table-log.ts";
import { openTableLog, type TableLogOptions } from "./table-log.ts";

export interface OpenTables {
  readonly openTable: (name: string) => TableLog;
  readonly commits: CommitNotices;
}

export function openTables(store: ObjectStore, options: Omit<TableLogOptions, "onCommit">): OpenTables {
  const tables = new Map<string, TableLog>();
  const commits = new CommitNotices();
  const openTable = (name: string): TableLog => {
    let table = tables.get(name);
    if (!table) {
      table = openTableLog(store, name, { ...options, onCommit: () => commits.tell(name) });
      tables.set(name, table);
    }
    return table;
  };
  return { openTable, commits };
}
