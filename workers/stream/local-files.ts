/** Data files as the process of a job can open them: where they are, or copied into its folder for one step. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile } from "../../core/ports/table-log.ts";
import { statedChecksum } from "../../lake/checksum.ts";
import { localInput } from "../../lake/rewrite-process.ts";
import { storePathOf } from "../../lake/table/add-file.ts";
import type { EngineFile } from "./engine-orders.ts";

export class LocalFiles {
  readonly #store: ObjectStore;
  readonly #folder: string;
  #copies = 0;
  #isClear = true;

  /** @param folder of the process */
  constructor(store: ObjectStore, folder: string) {
    this.#store = store;
    this.#folder = join(folder, "copies");
  }

  /** @throws table.version_not_found, table.corrupt, store.unavailable */
  async take(table: string, files: readonly AddFile[]): Promise<readonly EngineFile[]> {
    if (files.length === 0) return [];
    await mkdir(this.#folder, { recursive: true });
    this.#isClear = false;
    const taken: EngineFile[] = [];
    for (const file of files) {
      const path = storePathOf(table, file.path);
      const input = { store: this.#store, path, bytes: file.size, checksum: statedChecksum(file) };
      // Another name for every copy: what was read once is not checked again.
      const local = await localInput(input, join(this.#folder, `${++this.#copies}.parquet`));
      taken.push({ ...local, partitionValues: file.partitionValues });
    }
    return taken;
  }

  /** Copies of the step before. */
  async clear(): Promise<void> {
    if (this.#isClear) return;
    await rm(this.#folder, { recursive: true, force: true });
    this.#isClear = true;
  }
}
