/**
 * Which columns a statement may want, by their bare names: of a table whose visible rows are copied (view.ts) only
 * those are. It may name too many and must never name too few; what names columns in any other way than by a name
 * (`*`, COLUMNS, #1, NATURAL JOIN, PIVOT, DESCRIBE, a table as a value, new column names) wants all.
 */
import type { Tree } from "./gate-rules.ts";

export class WantedColumns {
  readonly #names = new Set<string>();
  /** Names that stand alone: of a column, or of a whole row of a table. */
  readonly #alone = new Set<string>();
  readonly #relations = new Set<string>();
  #isAny = false;

  expression(node: Tree): void {
    if (node["class"] === "STAR" || node["class"] === "POSITIONAL_REFERENCE") this.#isAny = true;
    if (node["class"] === "COLUMN_REF") this.#reference(texts(node["column_names"]));
    // The receiver of a method call: a.upper(), t.a.upper()
    if (node["class"] === "FUNCTION" || node["class"] === "WINDOW")
      this.#reference([...texts([node["catalog"]]), ...texts([node["schema"]])]);
  }

  relation(node: Tree): void {
    const type = node["type"];
    if (type === "PIVOT" || type === "SHOW_REF" || node["ref_type"] === "NATURAL") this.#isAny = true;
    if (node["column_name_alias"] !== undefined) this.#isAny = true;
    for (const name of texts(node["using_columns"])) this.#names.add(name);
    for (const name of texts([node["alias"], node["table_name"]])) this.#relations.add(name);
  }

  /** Lower case; null: any. */
  names(): readonly string[] | null {
    if (this.#isAny || [...this.#alone].some((name) => this.#relations.has(name))) return null;
    return [...this.#names];
  }

  #reference(parts: readonly string[]): void {
    for (const part of parts) this.#names.add(part);
    if (parts.length === 1) this.#alone.add(parts[0]!);
  }
}

function texts(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  return (value as unknown[])
    .filter((text) => typeof text === "string" && text !== "")
    .map((text) => String(text).toLowerCase());
}
