/** A data file that is to be edited, with the schema to read it by: what file-editor.ts is given. */
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { AddFile, TableSnapshot } from "../core/ports/table-log.ts";
import { statedChecksum } from "./checksum.ts";
import type { StoredInput } from "./rewrite-process.ts";
import { storePathOf } from "./table/add-file.ts";

export interface EditedFile extends StoredInput {
  /** For messages. */
  readonly table: string;
  /** Delta schema, JSON text; null: as the file itself says. */
  readonly schemaString: string | null;
  readonly partitionColumns: readonly string[];
}

/** A file that a version of a table names. */
export function editedFile(
  store: ObjectStore,
  table: string,
  { metadata }: TableSnapshot,
  file: AddFile,
): EditedFile {
  const { schemaString = null, partitionColumns = [] } = metadata ?? {};
  const path = storePathOf(table, file.path);
  const checksum = statedChecksum(file);
  return { store, table, path, bytes: file.size, checksum, schemaString, partitionColumns };
}
