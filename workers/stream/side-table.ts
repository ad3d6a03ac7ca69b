/**
 * A table beside the output of a job: a projection of that table's commits, which name files of rows for it. Each is
 * copied and named once, in one commit with the version that was consumed.
 */
import type { Clock, Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import { commitProjected } from "../../lake/projected-commit.ts";
import { consumedTxn } from "../../lake/projection.ts";
import { dataFilePath, storePathOf } from "../../lake/table/add-file.ts";

/** Versions of the output that are passed without a commit, where they have nothing. */
const EMPTY_VERSIONS_MAX = 100;

export interface SidePorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

export interface SideAbout {
  readonly name: string;
  /** Of the commit's info. */
  readonly field: "corrections" | "violations";
  readonly output: string;
  readonly outputId: string;
}

export class SideTable {
  readonly #ports: SidePorts;
  readonly #about: SideAbout;
  readonly #outputLog: TableLog;
  readonly #log: TableLog;
  #snapshot: TableSnapshot;
  /** Version of the output up to which there is nothing. */
  #looked = -1;

  constructor(
    ports: SidePorts,
    about: SideAbout,
    outputLog: TableLog,
    log: TableLog,
    snapshot: TableSnapshot,
  ) {
    this.#ports = ports;
    this.#about = about;
    this.#outputLog = outputLog;
    this.#log = log;
    this.#snapshot = snapshot;
  }

  /** @param version of the output @throws table.version_not_found where its commits are gone, store.unavailable */
  async catchUp(version: number, signal: AbortSignal): Promise<void> {
    while ((await this.#pass(version, signal)) === "moved") {
      this.#snapshot = await this.#log.snapshot({ from: this.#snapshot });
      this.#looked = -1;
    }
  }

  async #pass(version: number, signal: AbortSignal): Promise<"done" | "moved"> {
    const { field, outputId } = this.#about;
    const appId = consumedTxn(outputId);
    const from = Number(this.#snapshot.txns.get(appId) ?? -1n);
    const named: AddFile[] = [];
    for (let at = Math.max(from, this.#looked) + 1; at <= version; at++) {
      const commit = await this.#outputLog.read(at);
      const file = commit?.info[field] as AddFile | undefined;
      if (file) named.push(file);
    }
    this.#looked = Math.max(this.#looked, version);
    if (named.length === 0 && version - from < EMPTY_VERSIONS_MAX) return "done";
    const add: AddFile[] = [];
    for (const file of named) add.push(await this.#copied(file));
    const { isOurs, snapshot } = await commitProjected(
      this.#ports,
      { name: this.#about.name, log: this.#log, snapshot: this.#snapshot },
      { add, txns: [{ appId, version: BigInt(version) }], own: new Set([appId]) },
      signal,
    );
    this.#snapshot = snapshot;
    return isOurs ? "done" : "moved";
  }

  async #copied(file: AddFile): Promise<AddFile> {
    const { store, clock, randomness } = this.#ports;
    const from = storePathOf(this.#about.output, file.path);
    const bytes = await store.get(from);
    if (!bytes)
      throw new MuaraError("table.version_not_found", "A side file of the output table is gone.", {
        details: { table: this.#about.output, path: file.path },
      });
    const path = dataFilePath({}, randomness.uuid());
    await store.put(storePathOf(this.#about.name, path), bytes);
    return { ...file, path, modificationTime: clock.nowMs() };
  }
}
