/**
 * Data files without some of their rows, or with other values in some: one file at a time, in a process of its own.
 * What is noted of one file is known for the next, for as long as the editor is open; where its process has ended
 * meanwhile, nothing goes on, since what it had noted is gone.
 */
import { join } from "node:path";
import { MuaraError } from "../core/errors.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { EditedFile } from "./edited-file.ts";
import { putLocalFile } from "./local-copy.ts";
import type { LogPlace, NewFile, RewriteReport } from "./rewrite-job.ts";
import { localInput, RewriteProcess, type RewriterOptions } from "./rewrite-process.ts";

type Filtered = Extract<RewriteReport, { readonly report: "filtered" }>;

/** Where what becomes of a file goes; undefined: it is only looked at. */
export type Destination = ((file: NewFile, put: PutAway) => Promise<void>) | undefined;
/** Puts the new file into the store, by the path or only where the object is still the one with this etag. */
export type PutAway = (path: string, etag?: string) => Promise<boolean>;

export interface FoundRows {
  readonly rows: number;
  readonly places: readonly LogPlace[];
}

export class FileEditor {
  readonly #process: RewriteProcess;
  readonly #signal: AbortSignal;
  #hasNotes = false;

  /** @param signal ends its process at once */
  constructor(options: RewriterOptions, signal: AbortSignal) {
    this.#process = new RewriteProcess(options);
    this.#signal = signal;
  }

  /**
   * The file without the rows for which `gone`, SQL over its columns, holds; NULL is no.
   * @param to called where a part of the rows stays
   * @throws table.version_not_found, table.corrupt, table.rewrite_failed, and what the store throws
   */
  filter(from: EditedFile, gone: string, to: Destination): Promise<Omit<Filtered, "report" | "file">> {
    const { schemaString, partitionColumns, table } = from;
    return this.#process.inTurn(async (folder) => {
      const input = await localInput(from, join(folder, "old.parquet"));
      const output = to ? join(folder, "new.parquet") : null;
      const job = { order: "filter", input, schemaString, partitionColumns, gone, output } as const;
      const {
        report: _report,
        file,
        ...found
      } = await this.#process.run(job, "filtered", table, this.#signal);
      if (file && output !== null) await to!(file, putting(from.store, output, file));
      return found;
    });
  }

  /**
   * Notes the ids of the rows for which `wanted`, SQL, holds: the table `noted_ids (event_id)` of later conditions.
   * @param placed of which of them the places in the log are told, SQL; null: of none
   * @throws as `filter`
   */
  noteIds(from: EditedFile, wanted: string, placed: string | null): Promise<FoundRows> {
    const { schemaString, partitionColumns, table } = from;
    return this.#inTurnWithNotes(async (folder) => {
      const input = await localInput(from, join(folder, "old.parquet"));
      const job = { order: "note", input, schemaString, partitionColumns, wanted, placed } as const;
      return this.#process.run(job, "noted", table, this.#signal);
    });
  }

  /**
   * The file with other values in the rows for which `wanted`, SQL over its columns and `noted_ids`, holds.
   * @param values SQL by column
   * @param to called where there is such a row
   * @throws as `filter`
   */
  replace(
    from: EditedFile,
    wanted: string,
    values: Readonly<Record<string, string>>,
    to: Destination,
    placed: string | null = null,
  ): Promise<FoundRows> {
    const { schemaString, partitionColumns, table } = from;
    return this.#inTurnWithNotes(async (folder) => {
      const input = await localInput(from, join(folder, "old.parquet"));
      const output = to ? join(folder, "new.parquet") : null;
      const asked = { input, schemaString, partitionColumns, wanted, values, placed, output };
      const found = await this.#process.run({ order: "replace", ...asked }, "replaced", table, this.#signal);
      if (found.file && output !== null) await to!(found.file, putting(from.store, output, found.file));
      return found;
    });
  }

  /** What is wrong with a condition over the columns of a schema; undefined where it can be asked. */
  problemOf(table: string, schemaString: string, condition: string): Promise<string | undefined> {
    return this.#process.inTurn(async () => {
      const job = { order: "judge", schemaString, condition } as const;
      const { problem } = await this.#process.run(job, "judged", table, this.#signal);
      return problem ?? undefined;
    });
  }

  close(): Promise<void> {
    return this.#process.close();
  }

  async #inTurnWithNotes(work: (folder: string) => Promise<FoundRows>): Promise<FoundRows> {
    return this.#process.inTurn(async (folder) => {
      if (this.#hasNotes && !this.#process.isRunning)
        throw new MuaraError("table.rewrite_failed", "The process that knew whose rows they are has ended.");
      this.#hasNotes = true;
      const { rows, places } = await work(folder);
      return { rows, places };
    });
  }
}

/** How a new file gets into the store. */
function putting(store: ObjectStore, output: string, file: NewFile): PutAway {
  return (path, etag) => putLocalFile(store, path, output, file.bytes, etag);
}
