/**
 * Gives a table the columns that its writer needs, in one commit: new metadata, and where a type gets wider all files
 * written anew. Nobody sees a schema that the files do not fit, and no row changes: `dataChange` is false, cursors and
 * ids stay where they are. Statistics of a file stay, too: the values are the same.
 *
 * Another writer may be faster. One that adds columns, or files of the old type, makes this attempt void; files that
 * were rewritten already are used again.
 */
import type { Clock, Randomness } from "../core/clock.ts";
import type { Column } from "../core/columns.ts";
import { MuaraError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { AddFile, TableCommit, TableLog, TableSnapshot, Verdict } from "../core/ports/table-log.ts";
import { checksumTags } from "./checksum.ts";
import { FileRewriter } from "./rewrite.ts";
import { dataFilePath } from "./table/add-file.ts";
import { formatSchema, parseSchema } from "./table/delta-schema.ts";
import { evolveSchema } from "./table/evolve-schema.ts";
import { tableSchema } from "./tables.ts";

export interface EvolvePorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

/**
 * @returns the newest snapshot, whose schema has all `columns`
 * @throws table.unsupported naming what cannot become what is declared; store.unavailable
 */
export async function evolveTable(
  ports: EvolvePorts,
  name: string,
  log: TableLog,
  base: TableSnapshot,
  columns: readonly Column[],
): Promise<TableSnapshot> {
  const rewritten = new Map<string, AddFile>();
  let snapshot = base;
  for (;;) {
    const { metadata } = snapshot;
    if (!metadata) throw new MuaraError("table.not_found", `The table "${name}" has no commit yet.`);
    const step = evolveSchema(parseSchema(metadata.schemaString), tableSchema(columns));
    if (!step) return snapshot;
    const { added, widened } = step;
    const schemaString = formatSchema(step.schema);
    const isRewrite = widened.length > 0;
    if (isRewrite) await rewriteFiles(ports, name, snapshot, schemaString, rewritten);
    const live = isRewrite ? [...snapshot.files.keys()] : [];
    const nowMs = ports.clock.nowMs();
    const outcome = await log.commit({
      base: snapshot,
      change: {
        operation: isRewrite ? "CHANGE COLUMN" : "ADD COLUMNS",
        metadata: { ...metadata, schemaString },
        add: live.map((path) => rewritten.get(path)!),
        remove: live.map((path) => ({ path, deletionTimestamp: nowMs, dataChange: false })),
        txns: [],
        info: { kind: "schema", added, widened },
      },
      check: (winner) => judge(winner, isRewrite),
    });
    ({ snapshot } = outcome);
    if (outcome.outcome === "committed") {
      const fields = { table: name, version: snapshot.version, added, widened, files: live.length };
      ports.logger.info("a table's schema has grown", fields);
    }
  }
}

function judge(winner: TableCommit, isRewrite: boolean): Verdict {
  const movesFiles = winner.add.length + winner.remove.length > 0;
  return winner.metadata || (isRewrite && movesFiles) ? "abandon" : "rebase";
}

/** Writes every live file anew that was not yet. @param rewritten by the path of the old file; grows */
async function rewriteFiles(
  { store, clock, randomness }: EvolvePorts,
  name: string,
  snapshot: TableSnapshot,
  schemaString: string,
  rewritten: Map<string, AddFile>,
): Promise<void> {
  const partitionColumns = snapshot.metadata?.partitionColumns ?? [];
  const rewriter = new FileRewriter();
  const signal = new AbortController().signal;
  try {
    for (const file of snapshot.files.values()) {
      if (rewritten.has(file.path)) continue;
      const request = { store, table: name, files: [file], schemaString, partitionColumns, orderBy: [] };
      const { bytes, rows } = await rewriter.rewrite(request, signal);
      checkRows(file, rows);
      const path = dataFilePath(file.partitionValues, randomness.uuid());
      await store.put(`${name}/${path}`, bytes);
      const modificationTime = clock.nowMs();
      const tags = { ...file.tags, ...checksumTags(bytes) };
      const written = { ...file, path, size: bytes.length, modificationTime, dataChange: false, tags };
      rewritten.set(file.path, written);
    }
  } finally {
    await rewriter.close();
  }
}

/** @throws table.corrupt where a file has another number of rows than its statistics say */
function checkRows(file: AddFile, rows: number): void {
  const stated = (JSON.parse(file.stats ?? "{}") as { readonly numRecords?: number }).numRecords;
  if (stated === undefined || stated === rows) return;
  throw new MuaraError("table.corrupt", `${file.path} has ${rows} rows, its statistics say ${stated}`, {
    details: { path: file.path, rows, stated },
  });
}
