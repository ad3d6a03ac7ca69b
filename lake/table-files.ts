/** Files of a table as they lie in the store, whoever names them. */
import type { ObjectStore, StoredObject } from "../core/ports/object-store.ts";

const DATA_FILE = /^(?:[^/_][^/]*\/)*part-[^/]+\.parquet$/;
const SIDE_FILE = /^_muara\/side-[^/]+\.parquet$/;

export function dataFilesOf(store: ObjectStore, table: string): Promise<readonly StoredObject[]> {
  return filesOf(store, table, DATA_FILE);
}

export function sideFilesOf(store: ObjectStore, table: string): Promise<readonly StoredObject[]> {
  return filesOf(store, table, SIDE_FILE);
}

async function filesOf(store: ObjectStore, table: string, pattern: RegExp): Promise<readonly StoredObject[]> {
  const listed = await store.list(table);
  return listed.filter(
    ({ path }) => path.startsWith(`${table}/`) && pattern.test(path.slice(table.length + 1)),
  );
}
