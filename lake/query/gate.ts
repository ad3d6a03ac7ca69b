/**
 * The gate: judges the syntax tree of user SQL (DuckDB's json_serialize_sql) before anything of it is bound or run.
 *
 * It is an allow list to the last key: a node type, or a key of a known node, that is not named here refuses the
 * statement, because a new engine version may put a side effect behind it. The statement type alone proves
 * nothing: DuckDB calls `FROM enable_logging(…)` a SELECT. Settings of the engine come after this as a second layer.
 */
import { FUNCTIONS, nearestName, TABLE_FUNCTIONS } from "./functions.ts";
import {
  asList,
  asTree,
  data,
  each,
  expression,
  EXPRESSIONS,
  never,
  OPERATOR_TYPES,
  QUERIES,
  query,
  Refusal,
  RELATIONS,
  statement,
  type Fields,
  type Rules,
  type Scope,
  type Tree,
  type Walker,
} from "./gate-rules.ts";
import { restrictionsOf, type Restriction } from "./restriction.ts";
import { WantedColumns } from "./wanted-columns.ts";

/** What the statement asks for. Table names are as written, once each, ignoring case. */
export type Judged =
  | {
      readonly kind: "query";
      readonly tables: readonly TableMention[];
      /** Every name that can be a column's, lower case; null where it may want any. */
      readonly columns: readonly string[] | null;
    }
  | { readonly kind: "show_tables" }
  /** `byte` is the place in the SQL text as UTF-8; null where the engine does not say. */
  | { readonly kind: "refused"; readonly reason: string; readonly byte: number | null }
  /** `character` is the place in the SQL text: the engine's parser counts characters, its tree counts bytes. */
  | { readonly kind: "syntax"; readonly reason: string; readonly character: number | null };

export interface TableMention {
  readonly name: string;
  /** Place of the first mention in the SQL text as UTF-8; null where the engine does not say. */
  readonly byte: number | null;
  /** Per mention, what its WHERE says of columns; an empty list says nothing. */
  readonly wanted: readonly (readonly Restriction[])[];
}

/**
 * @param serialized what json_serialize_sql(…, skip_null := true, skip_empty := true) answered
 * @param macros further table functions, lower case: so many of their first arguments name tables or CTEs
 */
export function judge(serialized: string, macros: ReadonlyMap<string, number> = new Map()): Judged {
  const tree = JSON.parse(serialized) as Tree;
  if (tree["error"] === true) return judgeError(tree);
  const statements = asList(tree["statements"] ?? []);
  try {
    if (statements.length === 0) return { kind: "syntax", reason: "The SQL is empty.", character: null };
    if (statements.length > 1) throw new Refusal("more than one statement", null);
    const only = asTree(statements[0]);
    if (isShowTables(only)) return { kind: "show_tables" };
    const gate = new Gate(macros);
    gate.fields(only, { node: query, named_param_map: never("a parameter ($1 or ?)") }, new Set());
    return { kind: "query", tables: gate.mentions(), columns: gate.columnNames() };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { kind: "refused", reason: error.message, byte: error.byte };
  }
}

export class Gate implements Walker {
  readonly #tables = new Map<string, TableMention & { wanted: (readonly Restriction[])[] }>();
  readonly #restrictions = new Map<Tree, readonly Restriction[]>();
  readonly #wanted = new WantedColumns();
  /** Place of the nearest node above that has one; for refusals. */
  #byte: number | null = null;
  readonly #macros: ReadonlyMap<string, number>;

  constructor(macros: ReadonlyMap<string, number> = new Map()) {
    this.#macros = macros;
  }

  mentions(): readonly TableMention[] {
    return [...this.#tables.values()];
  }

  columnNames(): readonly string[] | null {
    return this.#wanted.names();
  }

  query(node: Tree, outer: Scope): void {
    const scope = new Set(outer);
    const direct = restrictionsOf(node);
    if (direct) this.#restrictions.set(direct.table, direct.restrictions);
    for (const item of asList(asTree(node["cte_map"] ?? {})["map"] ?? [])) this.#commonTable(item, scope);
    this.keys(node, QUERIES, "type", scope);
  }

  expression(node: Tree, scope: Scope): void {
    this.#locate(node);
    this.#wanted.expression(node);
    if (node["class"] === "OPERATOR" && !OPERATOR_TYPES.has(String(node["type"])))
      this.#refuse(`the operator ${String(node["type"])}`);
    if (node["class"] === "PARAMETER") this.#refuse("a parameter ($1 or ?); write the value into the SQL");
    this.keys(node, EXPRESSIONS, "class", scope);
  }

  relation(node: Tree, scope: Scope): void {
    this.#locate(node);
    this.#wanted.relation(node);
    if (node["type"] === "BASE_TABLE") this.#table(node, scope);
    this.keys(node, RELATIONS, "type", scope);
  }

  tableFunction(node: Tree, scope: Scope): void {
    this.#locate(node);
    const name = String(node["function_name"]).toLowerCase();
    const allowed = [...TABLE_FUNCTIONS, ...this.#macros.keys()];
    if (node["class"] !== "FUNCTION" || !allowed.includes(name))
      this.#refuse(`the table function ${name}; allowed are ${allowed.join(", ")}`);
    for (let place = 0; place < (this.#macros.get(name) ?? 0); place++) this.#macroTable(node, place, scope);
    this.fields(node, { ...EXPRESSIONS["FUNCTION"]!, function_name: data }, scope);
  }

  functionName(written: string): void {
    const name = written.toLowerCase();
    if (FUNCTIONS.has(name)) return;
    const near = nearestName(name, FUNCTIONS);
    this.#refuse(`the function ${name}${near ? `; allowed is, for example, ${near}` : ""}`);
  }

  /** Visits a node by the rules that its own `tag` selects. */
  keys(node: Tree, rules: Rules, tag: string, scope: Scope): void {
    const name = String(node[tag]);
    if (!Object.hasOwn(rules, name)) this.#refuse(`the construct ${name}`);
    this.fields(node, rules[name]!, scope);
  }

  fields(node: Tree, visits: Fields, scope: Scope): void {
    for (const [key, value] of Object.entries(node)) {
      const visit = Object.hasOwn(visits, key) ? visits[key] : undefined;
      if (!visit) this.#refuse(`the clause ${key}`);
      else visit(this, value, scope);
    }
  }

  /** A CTE sees those before it, not itself (unless recursive): `WITH t AS (SELECT * FROM t)` reads the table. */
  #commonTable(item: unknown, scope: Set<string>): void {
    const entry = asTree(item);
    const name = String(entry["key"]).toLowerCase();
    // Such a name could stand for a file where the engine sees no CTE of that name.
    if (/[/\\:*?[\]]|\.[a-z0-9]+$/.test(name)) this.#refuse(`the CTE name "${name}"`);
    const inner = asTree(asTree(entry["value"])["query"] ?? {})["node"];
    const isRecursive = asTree(inner ?? {})["type"] === "RECURSIVE_CTE_NODE";
    const visits = { query: statement, materialized: data, aliases: data, key_targets: each(expression) };
    this.fields(asTree(entry["value"]), visits, isRecursive ? new Set([...scope, name]) : scope);
    this.fields(entry, { key: data, value: data }, scope);
    scope.add(name);
  }

  #table(node: Tree, scope: Scope): void {
    const name = typeof node["table_name"] === "string" ? node["table_name"] : "";
    const path = [node["catalog_name"], node["schema_name"]].filter(
      (part) => part !== undefined && part !== "",
    );
    if (path.length > 0) {
      const full = [...path, name].join(".");
      this.#refuse(`the name ${full}; write table names that contain dots in quotes: "${full}"`);
    }
    const key = name.toLowerCase();
    if (scope.has(key)) return;
    const wanted = this.#restrictions.get(node) ?? [];
    const known = this.#tables.get(key);
    if (known) known.wanted.push(wanted);
    else this.#tables.set(key, { name, byte: this.#byte, wanted: [wanted] });
  }

  #macroTable(node: Tree, place: number, scope: Scope): void {
    const given = asTree(asList(node["children"] ?? [])[place] ?? {});
    const names = asList(given["column_names"] ?? []);
    if (given["class"] !== "COLUMN_REF" || names.length !== 1)
      this.#refuse(`${String(node["function_name"])} without the bare name of a table or CTE first`);
    this.#locate(given);
    this.#table({ table_name: names[0] }, scope);
  }

  #locate(node: Tree): void {
    const at = node["query_location"];
    if (typeof at === "number" && Number.isSafeInteger(at)) this.#byte = at;
  }

  #refuse(what: string): never {
    throw new Refusal(what, this.#byte);
  }
}

function judgeError(tree: Tree): Judged {
  const character = tree["position"] === undefined ? null : Number(tree["position"]);
  const reason = String(tree["error_message"]);
  if (tree["error_type"] === "not implemented")
    return {
      kind: "refused",
      reason: "anything but SELECT, VALUES, DESCRIBE, SUMMARIZE and SHOW TABLES",
      byte: null,
    };
  return { kind: "syntax", reason, character };
}

/** The bare statement SHOW TABLES, which is answered from the grants and never reaches the engine's catalog. */
function isShowTables(only: Tree): boolean {
  const node = asTree(only["node"] ?? {});
  const from = asTree(node["from_table"] ?? {});
  return (
    node["type"] === "SELECT_NODE" &&
    from["type"] === "SHOW_REF" &&
    from["show_type"] === "SHOW_UNQUALIFIED" &&
    from["table_name"] === '"tables"' &&
    Object.keys(node).every((key) =>
      ["type", "select_list", "from_table", "aggregate_handling"].includes(key),
    )
  );
}
