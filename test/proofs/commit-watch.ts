/** When tables commit, as somebody sees it who looks at their folders: each version is a file of its own. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "./host.ts";
import { Moments } from "./moments.ts";

const LOOK_MS = 50;

export class CommitWatch {
  /** Of each table: when new versions were seen. */
  readonly commits: Moments;
  readonly #stop = new AbortController();
  readonly #looking: Promise<void>;

  constructor(lake: string, tables: readonly string[]) {
    this.commits = new Moments(tables);
    this.#looking = this.#look(lake, tables);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#looking;
  }

  async #look(lake: string, tables: readonly string[]): Promise<void> {
    const { signal } = this.#stop;
    const next = new Map(tables.map((table) => [table, 0]));
    while (!signal.aborted) {
      for (const [table, version] of next) {
        let at = version;
        while (existsSync(join(lake, table, "_delta_log", `${String(at).padStart(20, "0")}.json`))) at++;
        if (at > version) this.commits.note(table);
        next.set(table, at);
      }
      await sleep(LOOK_MS, signal);
    }
  }
}
