/** Pinned tables as the query process gets them: with the files where it finds them. */
import type { AddFile } from "../../core/ports/table-log.ts";
import { type FileSight, localPaths } from "./local-paths.ts";
import type { Pinned } from "./pins.ts";
import type { QueryProcess } from "./query-process.ts";
import type { PinnedFile, PinnedTable } from "./view.ts";

/** @throws as `localPaths` */
export async function pinnedTables(
  sight: FileSight,
  pins: readonly Pinned[],
  child: QueryProcess,
): Promise<readonly PinnedTable[]> {
  const files = pins.flatMap(({ table, files: own, overlay }) => [
    ...own.map((file) => ({ table: table.name, file })),
    ...(overlay?.changes?.files ?? []).map((file) => ({ table: overlay!.source, file })),
  ]);
  const paths = await localPaths(sight, files, child);
  let next = 0;
  const local = (all: readonly AddFile[]): readonly PinnedFile[] =>
    all.map(({ partitionValues }) => ({ path: paths[next++]!, partitionValues }));
  return pins.map(({ names, schema, ingestedUntilMs, part, files: own, overlay }): PinnedTable => {
    const { schemaString, partitionColumns } = schema;
    const table = { names, schemaString, partitionColumns, files: local(own), ingestedUntilMs, part };
    if (!overlay) return table;
    const { rows, changes } = overlay;
    const folded = changes && { ...changes, ...changes.schema, files: local(changes.files) };
    return { ...table, overlay: { rows, changes: folded } };
  });
}

/** Of every table that is read; of a current state also the version of the changes that are laid over it. */
export function versionsOf(pins: readonly Pinned[]): Readonly<Record<string, number>> {
  const read = pins.flatMap(({ overlay }): [string, number][] =>
    overlay ? [[overlay.source, overlay.landed.version]] : [],
  );
  const own = pins.map(({ table, snapshot }): [string, number] => [table.name, snapshot.version]);
  return Object.fromEntries([...read, ...own]);
}
