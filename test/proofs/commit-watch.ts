/** When tables commit, as somebody sees it who looks at their folders: each version is a file of its own. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "./host.ts";

const LOOK_MS = 50;

export class CommitWatch {
  /** By table: monotonic ms at which its newest versions were seen, in order. */
  readonly #seenMs = new Map<string, number[]>();
  readonly #stop = new AbortController();
  readonly #looking: Promise<void>;

  constructor(lake: string, tables: readonly string[]) {
    this.#looking = this.#look(lake, tables);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#looking;
  }

  /** By table: when it first committed after that moment, monotonic ms; without those that have not. */
  firstAfter(afterMs: number): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const [table, seenMs] of this.#seenMs) {
      const first = seenMs.find((ms) => ms > afterMs);
      if (first !== undefined) found.set(table, first);
    }
    return found;
  }

  async #look(lake: string, tables: readonly string[]): Promise<void> {
    const { signal } = this.#stop;
    const next = new Map(tables.map((table) => [table, 0]));
    for (const table of tables) this.#seenMs.set(table, []);
    while (!signal.aborted) {
      for (const [table, version] of next) {
        let at = version;
        while (existsSync(join(lake, table, "_delta_log", `${String(at).padStart(20, "0")}.json`))) at++;
        if (at > version) this.#seenMs.get(table)!.push(performance.now());
        next.set(table, at);
      }
      await sleep(LOOK_MS, signal);
    }
  }
}
