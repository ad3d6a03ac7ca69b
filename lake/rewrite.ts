/**
 * Data files of a table written anew as one, in a process of its own: several small files to one large (compaction), or
 * one under a schema with wider types (evolution). Rows stay what they are, types are those of the table's schema. Off
 * the hot path: the process is started when there is work and ends soon after.
 */
import { join } from "node:path";
import { MuaraError } from "../core/errors.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { AddFile } from "../core/ports/table-log.ts";
import { statedChecksum, tagsOf } from "./checksum.ts";
import { putLocalFile } from "./local-copy.ts";
import type { PutTogetherJob, RewriteInput } from "./rewrite-job.ts";
import { localInput, RewriteProcess, type RewriterOptions } from "./rewrite-process.ts";
import { statedRows, storePathOf } from "./table/add-file.ts";

export interface RewriteRequest {
  readonly store: ObjectStore;
  readonly table: string;
  readonly files: readonly AddFile[];
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
  /** Columns by which rows are sorted; none: the order of files and rows. */
  readonly orderBy: readonly string[];
  /** Path inside the table of the new file. */
  readonly to: string;
}

/** A file that lies in the store. */
export interface WrittenFile {
  readonly bytes: number;
  readonly rows: number;
  /** Delta statistics, JSON text. */
  readonly stats: string;
  /** For the `add` that names it. */
  readonly tags: Readonly<Record<string, string>>;
}

export class FileRewriter {
  readonly #process: RewriteProcess;

  constructor(options: RewriterOptions = {}) {
    this.#process = new RewriteProcess(options);
  }

  /**
   * @throws table.version_not_found where a file is gone, table.corrupt where one is not what the log says, or they
   *   have other rows than their statistics say; table.rewrite_failed for want of memory, disk or time;
   *   store.unavailable, store.full
   */
  rewrite(request: RewriteRequest, signal: AbortSignal): Promise<WrittenFile> {
    const { store, table, files, schemaString, partitionColumns, orderBy, to } = request;
    return this.#process.inTurn(async (folder) => {
      const output = join(folder, "new.parquet");
      const inputs = await localInputs(request, folder, signal);
      const job: PutTogetherJob = {
        order: "rewrite",
        inputs,
        schemaString,
        partitionColumns,
        orderBy,
        output,
      };
      const { file, stats } = await this.#process.run(job, "rewritten", table, signal);
      checkRows(table, files, file.rows);
      await putLocalFile(store, storePathOf(table, to), output, file.bytes);
      return { bytes: file.bytes, rows: file.rows, stats, tags: tagsOf(file.checksum) };
    });
  }

  /** Ends the process and removes what it has left. The next rewrite starts another. */
  close(): Promise<void> {
    return this.#process.close();
  }
}

async function localInputs(
  { store, table, files }: RewriteRequest,
  folder: string,
  signal: AbortSignal,
): Promise<readonly RewriteInput[]> {
  const inputs: RewriteInput[] = [];
  for (const file of files) {
    signal.throwIfAborted();
    const input = {
      store,
      path: storePathOf(table, file.path),
      bytes: file.size,
      checksum: statedChecksum(file),
    };
    inputs.push(await localInput(input, join(folder, `${inputs.length}.parquet`)));
  }
  return inputs;
}

/** @throws table.corrupt where the files have other rows than their statistics say */
function checkRows(table: string, files: readonly AddFile[], rows: number): void {
  let stated = 0;
  for (const file of files) {
    const own = statedRows(file);
    if (own === undefined) return;
    stated += own;
  }
  if (stated === rows) return;
  throw new MuaraError(
    "table.corrupt",
    `${table}: files have ${rows} rows, their statistics say ${stated}.`,
    { details: { table, paths: files.map(({ path }) => path), rows, stated } },
  );
}
