/**
 * Makes the files of parts of tables that are asked for and not there, data file by data file. The part of a
 * data file depends on the file, the right and the schema only, so it serves every version, and every change,
 * that names the file.
 *
 * The surprising rule: a request waits for a bounded time, the work goes on without it. What was made stays
 * made, so that the same request, asked again (clients do), ends at last, however large the table is.
 */
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { AddFile } from "../../core/ports/table-log.ts";
import type { TableSchema } from "../catalog.ts";
import type { QueryService } from "../query/service.ts";
import type { PartForm } from "./part-form.ts";
import type { PartRecord, PartStore } from "./part-store.ts";

const WAITING_PER_SLOT = 16;

export interface PartMakerOptions {
  /** How long a request waits, ms. */
  readonly waitMs: number;
  /** After this a process is killed, ms. */
  readonly makeMs: number;
  readonly atOnce: number;
  /** Data files read for one request, bytes. */
  readonly readBytesMax: number;
}

export interface PartMakerPorts {
  readonly store: PartStore;
  readonly query: Pick<QueryService, "copyParts">;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface PartRequest {
  /** The table's own name. */
  readonly table: string;
  /** Of `rightName`. */
  readonly right: string;
  readonly form: PartForm;
  readonly whole: TableSchema;
  /** Data files by the name of `sourceName`. */
  readonly sources: ReadonlyMap<string, AddFile>;
}

export class PartMaker {
  readonly #ports: PartMakerPorts;
  readonly #options: PartMakerOptions;
  /** By folder and form: two for the same would do the work twice. */
  readonly #running = new Map<string, Promise<void>>();
  #waiting = 0;

  constructor(ports: PartMakerPorts, options: PartMakerOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /**
   * @returns by the names of the sources
   * @throws share.preparing, share.busy, share.too_large, and what making throws
   */
  async records(request: PartRequest): Promise<ReadonlyMap<string, PartRecord>> {
    const { store, clock } = this.#ports;
    const { table, right, form, sources } = request;
    const untilMs = clock.monotonicMs() + this.#options.waitMs;
    for (;;) {
      const names = new Map([...sources.keys()].map((source) => [`${source}-${form.name}`, source]));
      const found = await store.find(table, right, [...names.keys()]);
      const missing = new Map([...names].filter(([name]) => !found.has(name)));
      if (missing.size === 0) return new Map([...names].map(([name, source]) => [source, found.get(name)!]));
      const wanted = new Map([...missing].map(([name, source]) => [name, sources.get(source)!]));
      this.#checkSize(wanted);
      await this.#step(request, wanted, untilMs - clock.monotonicMs());
    }
  }

  #checkSize(wanted: ReadonlyMap<string, AddFile>): void {
    const { readBytesMax } = this.#options;
    const bytes = [...wanted.values()].reduce((sum, { size }) => sum + size, 0);
    if (bytes <= readBytesMax) return;
    throw new MuaraError(
      "share.too_large",
      `The part would be made of data files of ${bytes} bytes, more than ${readBytesMax} (share.partReadBytes).`,
      { details: { bytes, partReadBytes: readBytesMax } },
    );
  }

  /** Waits for what is under way, or begins it. */
  async #step(request: PartRequest, wanted: ReadonlyMap<string, AddFile>, waitMs: number): Promise<void> {
    const { atOnce } = this.#options;
    const key = JSON.stringify([request.table, request.right, request.form.name]);
    let job = this.#running.get(key);
    if (!job && this.#running.size < atOnce) job = this.#begin(key, request, wanted);
    if (waitMs <= 0) throw preparing(wanted.size);
    if (job) return this.#wait(job, waitMs, wanted.size);
    if (this.#waiting >= atOnce * WAITING_PER_SLOT)
      throw new MuaraError("share.busy", "Too many parts of tables are being made.");
    this.#waiting++;
    try {
      // The failure of another's work is the other's.
      await this.#wait(Promise.race([...this.#running.values()].map(settled)), waitMs, wanted.size);
    } finally {
      this.#waiting--;
    }
  }

  #begin(key: string, request: PartRequest, wanted: ReadonlyMap<string, AddFile>): Promise<void> {
    const job = this.#make(request, wanted).finally(() => this.#running.delete(key));
    this.#running.set(key, job);
    // Whoever waits sees the error; the work may outlive them.
    job.catch((error: unknown) => {
      const { table } = request;
      this.#ports.logger.warn("files of a part of a table were not made", { table, error });
    });
    return job;
  }

  async #make(request: PartRequest, wanted: ReadonlyMap<string, AddFile>): Promise<void> {
    const { query, store } = this.#ports;
    const { table, right, form, whole } = request;
    const names = [...wanted.keys()];
    const copies = query.copyParts(
      {
        table,
        schema: whole,
        part: form.part,
        partSchema: form.schema,
        files: [...wanted.values()],
        timeoutMs: this.#options.makeMs,
      },
      new AbortController().signal,
    );
    let next = 0;
    for await (const copy of copies) {
      await store.makeRoom(table, copy.bytes.length);
      await store.add(table, right, names[next++]!, copy.file, copy);
    }
  }

  async #wait(job: Promise<void>, waitMs: number, files: number): Promise<void> {
    const over = new AbortController();
    const late = async (): Promise<true> => {
      await this.#ports.clock.sleep(waitMs, over.signal);
      return true;
    };
    try {
      const isLate = await Promise.race([job, late()]);
      if (isLate === true) throw preparing(files);
    } finally {
      over.abort();
    }
  }
}

function preparing(files: number): MuaraError {
  return new MuaraError(
    "share.preparing",
    `Files of the part are being made: ${files} are missing. Ask again.`,
    {
      details: { files },
    },
  );
}

function settled(job: Promise<void>): Promise<void> {
  return job.catch(() => undefined);
}
