/**
 * A SELECT that groups the rows of one TUMBLE or HOP, taken apart: what it asks of each row, by which columns pieces of
 * windows are kept, and what is left to do with a window's groups. Where this cannot be had of its text exactly, its
 * rows are kept as they are.
 */
import { quoteName } from "../../query/quote.ts";
import type { Analysis } from "../analysis.ts";
import { isAggregate } from "../proof/job-functions.ts";
import { type Partial, splitAggregate, type Split } from "./partials.ts";
import { groupsOfSelect } from "../proof/prove-select.ts";
import type { Piece } from "../select-text.ts";
import {
  child,
  children,
  columnParts,
  functionName,
  names,
  outputName,
  text,
  walk,
  withoutPlaces,
  type Tree,
} from "../tree.ts";
import type { WindowCall } from "../relation/window-call.ts";

export interface SlicedSelect {
  /** Of the job's SELECT, where it stands. */
  readonly piece: Piece;
  /** By which its columns are named there. */
  readonly alias: string;
  /** SQL over a row, or null for all. */
  readonly where: string | null;
  /** What rows are grouped by, but the window. SQL over a row. */
  readonly groups: readonly { readonly name: string; readonly sql: string }[];
  readonly partials: readonly Partial[];
  readonly splits: readonly Split[];
  /** `SELECT …` and what stands behind FROM, over window_start, window_end, the groups and `muara_a<i>`. */
  readonly head: string;
  readonly tail: string;
}

/** Its rows are kept, because of this. */
export class KeepsRows extends Error {}

const WINDOW = new Set(["window_start", "window_end"]);

/**
 * @param source SELECT that gives rows of the call's source
 * @throws KeepsRows
 */
export async function sliceSelect(
  analysis: Analysis,
  call: WindowCall,
  source: string,
): Promise<SlicedSelect> {
  const { engine, select, tree } = analysis;
  if (call.macro === "dedup") throw new KeepsRows("DEDUP gives rows");
  if (call.macro === "session") throw new KeepsRows("a session's pieces are not known beforehand");
  const node = [...walk(tree)].find(
    (one) => one["type"] === "SELECT_NODE" && child(one, "from_table") === call.node,
  );
  const found = groupsOfSelect(node ?? {});
  if (!node || !found) throw new KeepsRows("the first SELECT over the windows has no GROUP BY");
  if (found.sets.length !== 1) throw new KeepsRows("GROUP BY has several sets");
  const isPlain = ![...walk([node["select_list"], node["having"], node["qualify"]])].some(
    (one) => one["class"] === "STAR" || text(one, "type") === "GROUPING_FUNCTION",
  );
  if (!isPlain || names(call.node, "column_name_alias").length > 0)
    throw new KeepsRows("columns of the windows are not named one by one");
  const piece = select.selectAround(call.nameByte);
  if (!piece || !(await isSame(analysis, piece.text, node)))
    throw new KeepsRows("the text of the SELECT over the windows cannot be told apart");
  const alias = text(call.node, "alias") || functionName(child(call.node, "function") ?? {});
  const rewriter = new Rewriter(analysis, { node, source, alias });
  await rewriter.open(found.all);
  const items: string[] = [];
  for (const item of children(node, "select_list")) {
    const name = text(item, "alias") || ((item["column_names"] ?? []) as string[]).at(-1);
    if (!name) throw new KeepsRows("a column of the SELECT over the windows has no name");
    items.push(`${await rewriter.sql(item)} AS ${quoteName(name)}`);
  }
  const isDistinct = children(node, "modifiers").some(({ type }) => type === "DISTINCT_MODIFIER");
  const [having, qualify] = [await rewriter.part("having"), await rewriter.part("qualify")];
  const where = child(node, "where_clause");
  return {
    piece,
    alias,
    where: where && (await expression(engine.expressionText(where))),
    groups: rewriter.groups,
    partials: rewriter.splits.flatMap(({ partials }) => partials),
    splits: rewriter.splits,
    head: `SELECT ${isDistinct ? "DISTINCT " : ""}${items.join(", ")}`,
    tail: `${having ? ` WHERE ${having}` : ""}${qualify ? ` QUALIFY ${qualify}` : ""}`,
  };
}

/** Whether a piece of the text is that part of the tree. */
async function isSame({ engine }: Analysis, sql: string, node: Tree): Promise<boolean> {
  const read = JSON.parse(await engine.serializeWhole(sql)) as Tree;
  const [statement] = children(read, "statements");
  return statement !== undefined && ownText(child(statement, "node") ?? {}) === ownText(node);
}

/** Its CTEs stand before it. */
function ownText(node: Tree): string {
  return withoutPlaces({ ...node, cte_map: null });
}

/** Puts columns of kept pieces in the place of groups and aggregates. */
class Rewriter {
  readonly groups: { readonly name: string; readonly sql: string }[] = [];
  readonly splits: Split[] = [];
  readonly #analysis: Analysis;
  readonly #node: Tree;
  readonly #source: string;
  readonly #alias: string;
  /** Column of a group's expression, by what it says. */
  readonly #columns = new Map<string, string>();
  readonly #aliases: ReadonlySet<string>;
  #sourceColumns: ReadonlySet<string> = new Set();

  constructor(
    analysis: Analysis,
    { node, source, alias }: { readonly node: Tree; readonly source: string; readonly alias: string },
  ) {
    this.#analysis = analysis;
    this.#node = node;
    this.#source = source;
    this.#alias = alias;
    this.#aliases = new Set(children(node, "select_list").map((item) => text(item, "alias").toLowerCase()));
    for (const item of children(node, "select_list")) {
      const name = outputName(item);
      if (name !== null && WINDOW.has(name) && columnParts(item)?.at(-1) !== name)
        throw new KeepsRows(`${name} is the name of something else`);
    }
  }

  async open(groups: readonly Tree[]): Promise<void> {
    const { engine } = this.#analysis;
    this.#sourceColumns = new Set(
      (await engine.describe(this.#source)).map(({ name }) => name.toLowerCase()),
    );
    if (this.#sourceColumns.has(this.#alias.toLowerCase()))
      throw new KeepsRows(`"${this.#alias}" is a column and a relation`);
    for (const group of groups) {
      const columns = [...walk(group)].map(columnParts).filter((parts) => parts !== null);
      const ofWindow = columns.filter((parts) => WINDOW.has(this.#bare(parts))).length;
      if (columns.length > 0 && ofWindow === columns.length) continue;
      if (ofWindow > 0) throw new KeepsRows("a group is made of the window and of the row");
      const said = this.#said(group);
      if (this.#columns.has(said)) continue;
      const name = `muara_g${this.#columns.size}`;
      this.#columns.set(said, name);
      this.groups.push({ name, sql: await expression(engine.expressionText(group)) });
    }
  }

  async part(key: "having" | "qualify"): Promise<string | null> {
    const node = child(this.#node, key);
    return node && this.sql(node);
  }

  async sql(node: Tree): Promise<string> {
    return expression(this.#analysis.engine.expressionText((await this.#rewrite(node)) as Tree));
  }

  async #rewrite(value: unknown): Promise<unknown> {
    if (Array.isArray(value)) {
      const items: unknown[] = [];
      for (const item of value as unknown[]) items.push(await this.#rewrite(item));
      return items;
    }
    if (typeof value !== "object" || value === null) return value;
    const node = value as Tree;
    const own = this.#columns.get(this.#said(node));
    if (own !== undefined) return column(own, node);
    if (node["class"] === "FUNCTION" && isAggregate(functionName(node))) return this.#aggregate(node);
    const parts = columnParts(node);
    if (parts) return this.#column(node, parts);
    const entries: [string, unknown][] = [];
    for (const [key, inner] of Object.entries(node)) entries.push([key, await this.#rewrite(inner)]);
    return Object.fromEntries(entries);
  }

  #column(node: Tree, parts: readonly string[]): Tree {
    const name = this.#bare(parts);
    if (WINDOW.has(name)) return column(name, node);
    if (parts.length === 1 && this.#aliases.has(name) && !this.#sourceColumns.has(name)) return node;
    throw new KeepsRows(`"${name}" is neither a group nor a column of the SELECT`);
  }

  /** Without the relation's name. */
  #bare(parts: readonly string[]): string {
    const own = parts.length > 1 && parts[0] === this.#alias.toLowerCase() ? parts.slice(1) : parts;
    return own.map((part) => part.replaceAll(".", "..")).join(".");
  }

  /** The same for two that say the same, whatever they are called. */
  #said(node: Tree): string {
    const parts = columnParts(node);
    if (parts) return `column ${this.#bare(parts)}`;
    return JSON.stringify({ ...node, alias: "" }, (key, value: unknown) =>
      key === "query_location" ? undefined : value,
    );
  }

  async #aggregate(node: Tree): Promise<Tree> {
    const split = await splitAggregate(node, {
      engine: this.#analysis.engine,
      typeOf: (sql) => this.#typeOf(sql),
      suffix: String(this.splits.length),
    });
    if (typeof split === "string") throw new KeepsRows(split);
    this.splits.push(split);
    return column(`muara_a${this.splits.length - 1}`, node);
  }

  async #typeOf(sql: string): Promise<string> {
    const from = `(\n${this.#source}\n) AS ${quoteName(this.#alias)}`;
    const described = await this.#analysis.engine.describe(`SELECT ${sql} AS x FROM ${from}`).catch(() => {
      throw new KeepsRows("an aggregate needs the window itself");
    });
    return described[0]!.type;
  }
}

function column(name: string, { alias }: Tree): Tree {
  return { class: "COLUMN_REF", type: "COLUMN_REF", alias: alias ?? "", column_names: [name] };
}

async function expression(sql: Promise<string | null>): Promise<string> {
  const found = await sql;
  if (found === null) throw new KeepsRows("an expression would not be read as it was written");
  return found;
}
