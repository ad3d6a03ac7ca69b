/** DuckDB takes a name in any case; Flink and Spark's JSON take it as it was declared. */
import { quoted } from "./dialect.ts";

export class Spelling {
  readonly #names = new Map<string, string>();

  /** @param declared names of tables' columns, as they are */
  constructor(declared: readonly string[]) {
    for (const name of declared) this.of(name);
  }

  /** As it was written first. */
  of(name: string): string {
    const key = name.toLowerCase();
    const known = this.#names.get(key);
    if (known === undefined) this.#names.set(key, name);
    return known ?? name;
  }

  quoted(name: string): string {
    return quoted(this.of(name));
  }
}
