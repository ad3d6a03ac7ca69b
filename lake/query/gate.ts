/**
 * The gate: judges the syntax tree of user SQL (DuckDB's json_serialize_sql) before anything of it is bound or run.
 *
 * It is an allow list to the last key: a node type, or a key of a known node, that is not named here refuses the
 * statement, because a new engine version may put a side effect behind it. The statement type alone proves
 * nothing: DuckDB calls `FROM enable_logging(…)` a SELECT. Settings of the engine come after this as a second layer.
 */
import { FUNCTIONS, nearestName, TABLE_FUNCTIONS } from "./functions.ts";

/** What the statement asks for. Table names are as written, once each, ignoring case. */
export type Judged =
  | { readonly kind: "query"; readonly tables: readonly TableMention[] }
  | { readonly kind: "show_tables" }
  | { readonly kind: "refused"; readonly reason: string; readonly position: number | null }
  | { readonly kind: "syntax"; readonly reason: string; readonly position: number | null };

export interface TableMention {
  readonly name: string;
  /** Place of the first mention in the SQL text, in characters; null where the engine does not say. */
  readonly position: number | null;
}

class Refusal extends Error {
  readonly position: number | null;
  constructor(reason: string, position: number | null) {
    super(reason);
    this.position = position;
  }
}

type Tree = Readonly<Record<string, unknown>>;
/** Names of the CTEs that are visible, lower case; the engine prefers them to tables. */
type Scope = ReadonlySet<string>;
type Visit = (gate: Gate, value: unknown, scope: Scope) => void;

/** A leaf: text, number, flag or constant data. It cannot name anything that is looked up. */
const data: Visit = () => {};
const expression: Visit = (gate, value, scope) => gate.expression(asTree(value), scope);
const relation: Visit = (gate, value, scope) => gate.relation(asTree(value), scope);
const query: Visit = (gate, value, scope) => gate.query(asTree(value), scope);
const statement: Visit = (gate, value, scope) => gate.query(asTree(asTree(value)["node"]), scope);
const modifier: Visit = (gate, value, scope) => gate.keys(asTree(value), MODIFIERS, "type", scope);
const never = (what: string): Visit => {
  return (_gate, _value, _scope) => {
    throw new Refusal(what, null);
  };
};
const each = (visit: Visit): Visit => {
  return (gate, value, scope) => {
    for (const item of asList(value)) visit(gate, item, scope);
  };
};
/** An object whose keys are all known. */
const shape = (keys: Readonly<Record<string, Visit>>): Visit => {
  return (gate, value, scope) => gate.fields(asTree(value), keys, scope);
};

const SELECT_PARTS = {
  type: data,
  select_list: each(expression),
  from_table: relation,
  where_clause: expression,
  group_expressions: each(expression),
  group_sets: data,
  aggregate_handling: data,
  having: expression,
  sample: data,
  qualify: expression,
  modifiers: each(modifier),
  cte_map: data, // visited first, by `query`
};

const QUERIES: Readonly<Record<string, Readonly<Record<string, Visit>>>> = {
  SELECT_NODE: SELECT_PARTS,
  SET_OPERATION_NODE: {
    type: data,
    setop_type: data,
    setop_all: data,
    left: query,
    right: query,
    children: each(query),
    modifiers: each(modifier),
    cte_map: data,
  },
  RECURSIVE_CTE_NODE: {
    type: data,
    cte_name: data,
    union_all: data,
    left: query,
    right: query,
    aliases: data,
    key_targets: each(expression),
    modifiers: each(modifier),
    cte_map: data,
  },
};

const ORDER = { type: data, null_order: data, expression };
const ORDERS = each(shape(ORDER));
const MODIFIERS: Readonly<Record<string, Readonly<Record<string, Visit>>>> = {
  ORDER_MODIFIER: { type: data, orders: ORDERS },
  LIMIT_MODIFIER: { type: data, limit: expression, offset: expression },
  LIMIT_PERCENT_MODIFIER: { type: data, limit: expression, offset: expression },
  DISTINCT_MODIFIER: { type: data, distinct_on_targets: each(expression) },
};

const COMMON = { class: data, type: data, query_location: data, alias: data };
const CHILDREN = { ...COMMON, children: each(expression) };
const EXPRESSIONS: Readonly<Record<string, Readonly<Record<string, Visit>>>> = {
  BETWEEN: { ...COMMON, input: expression, lower: expression, upper: expression },
  CASE: {
    ...COMMON,
    case_checks: each(shape({ when_expr: expression, then_expr: expression })),
    else_expr: expression,
  },
  CAST: { ...COMMON, child: expression, cast_type: data, try_cast: data },
  COLLATE: { ...COMMON, child: expression, collation: data },
  COLUMN_REF: { ...COMMON, column_names: data },
  COMPARISON: { ...COMMON, left: expression, right: expression },
  CONJUNCTION: CHILDREN,
  CONSTANT: { ...COMMON, value: data },
  FUNCTION: {
    ...CHILDREN,
    function_name: (gate, value) => gate.functionName(String(value)),
    schema: data, // also the receiver of a method call: a.upper()
    catalog: data,
    filter: expression,
    order_bys: modifier,
    distinct: data,
    is_operator: data,
    export_state: data,
  },
  LAMBDA: { ...COMMON, lhs: expression, expr: expression },
  OPERATOR: CHILDREN,
  POSITIONAL_REFERENCE: { ...COMMON, index: data },
  STAR: {
    ...COMMON,
    relation_name: data,
    exclude_list: data,
    qualified_exclude_list: data,
    rename_list: data,
    replace_list: each(shape({ key: data, value: expression })),
    columns: data,
    expr: expression,
  },
  SUBQUERY: {
    ...COMMON,
    subquery_type: data,
    subquery: statement,
    comparison_type: data,
    child: expression,
  },
  WINDOW: {
    ...CHILDREN,
    function_name: (gate, value) => gate.functionName(String(value)),
    schema: data,
    catalog: data,
    partitions: each(expression),
    orders: ORDERS,
    arg_orders: ORDERS,
    start: data,
    end: data,
    start_expr: expression,
    end_expr: expression,
    offset_expr: expression,
    default_expr: expression,
    filter_expr: expression,
    ignore_nulls: data,
    exclude_clause: data,
    distinct: data,
  },
};

const OPERATOR_TYPES = new Set(
  `OPERATOR_UNPACK ARRAY_EXTRACT ARRAY_SLICE STRUCT_EXTRACT ARRAY_CONSTRUCTOR ARROW OPERATOR_NOT COMPARE_IN
  COMPARE_NOT_IN OPERATOR_IS_NOT_NULL OPERATOR_IS_NULL OPERATOR_COALESCE OPERATOR_NULLIF OPERATOR_TRY
  GROUPING_FUNCTION`.split(/\s+/),
);

const REF = { type: data, query_location: data, alias: data, column_name_alias: data, sample: data };
const RELATIONS: Readonly<Record<string, Readonly<Record<string, Visit>>>> = {
  EMPTY: REF,
  BASE_TABLE: {
    ...REF,
    table_name: data, // judged by `relation`
    schema_name: data,
    catalog_name: data,
    at_clause: never("AT inside the SQL; give the version or time as `at` beside it (--at)"),
  },
  EXPRESSION_LIST: { ...REF, values: each(each(expression)) },
  JOIN: {
    ...REF,
    left: relation,
    right: relation,
    condition: expression,
    join_type: data,
    ref_type: data,
    delim_flipped: data,
    using_columns: data,
  },
  SUBQUERY: { ...REF, subquery: statement },
  TABLE_FUNCTION: {
    ...REF,
    function: (gate, value, scope) => gate.tableFunction(asTree(value), scope),
    with_ordinality: data,
  },
  SHOW_REF: {
    ...REF,
    table_name: (_gate, value) => {
      throw new Refusal(`SHOW ${String(value)}; SHOW TABLES, DESCRIBE and SUMMARIZE are allowed`, null);
    },
    query,
    show_type: data,
  },
  PIVOT: {
    ...REF,
    source: relation,
    aggregates: each(expression),
    pivots: each(
      shape({
        pivot_expressions: each(expression),
        unpivot_names: data,
        entries: each(shape({ values: data, alias: data, star_expr: expression })),
      }),
    ),
    groups: data,
    include_nulls: data,
    unpivot_names: data,
  },
};

/** @param serialized what json_serialize_sql(…, skip_null := true, skip_empty := true) answered */
export function judge(serialized: string): Judged {
  const tree = JSON.parse(serialized) as Tree;
  if (tree["error"] === true) return judgeError(tree);
  const statements = asList(tree["statements"] ?? []);
  try {
    if (statements.length === 0) return { kind: "syntax", reason: "The SQL is empty.", position: null };
    if (statements.length > 1) throw new Refusal("more than one statement", null);
    const only = asTree(statements[0]);
    if (isShowTables(only)) return { kind: "show_tables" };
    const gate = new Gate();
    gate.fields(only, { node: query, named_param_map: never("a parameter ($1 or ?)") }, new Set());
    return { kind: "query", tables: gate.mentions() };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { kind: "refused", reason: error.message, position: error.position };
  }
}

class Gate {
  readonly #tables = new Map<string, TableMention>();
  /** Place of the nearest node above that has one; for refusals. */
  #position: number | null = null;

  mentions(): readonly TableMention[] {
    return [...this.#tables.values()];
  }

  query(node: Tree, outer: Scope): void {
    const scope = new Set(outer);
    for (const item of asList(asTree(node["cte_map"] ?? {})["map"] ?? [])) this.#commonTable(item, scope);
    this.keys(node, QUERIES, "type", scope);
  }

  expression(node: Tree, scope: Scope): void {
    this.#locate(node);
    if (node["class"] === "OPERATOR" && !OPERATOR_TYPES.has(String(node["type"])))
      this.#refuse(`the operator ${String(node["type"])}`);
    if (node["class"] === "PARAMETER") this.#refuse("a parameter ($1 or ?); write the value into the SQL");
    this.keys(node, EXPRESSIONS, "class", scope);
  }

  relation(node: Tree, scope: Scope): void {
    this.#locate(node);
    if (node["type"] === "BASE_TABLE") this.#table(node, scope);
    this.keys(node, RELATIONS, "type", scope);
  }

  tableFunction(node: Tree, scope: Scope): void {
    this.#locate(node);
    const name = String(node["function_name"]).toLowerCase();
    if (node["class"] !== "FUNCTION" || !TABLE_FUNCTIONS.has(name))
      this.#refuse(`the table function ${name}; allowed are ${[...TABLE_FUNCTIONS].join(", ")}`);
    this.fields(node, { ...EXPRESSIONS["FUNCTION"]!, function_name: data }, scope);
  }

  functionName(written: string): void {
    const name = written.toLowerCase();
    if (FUNCTIONS.has(name)) return;
    const near = nearestName(name, FUNCTIONS);
    this.#refuse(`the function ${name}${near ? `; allowed is, for example, ${near}` : ""}`);
  }

  /** Visits a node by the rules that its own `tag` selects. */
  keys(
    node: Tree,
    rules: Readonly<Record<string, Readonly<Record<string, Visit>>>>,
    tag: string,
    scope: Scope,
  ): void {
    const name = String(node[tag]);
    if (!Object.hasOwn(rules, name)) this.#refuse(`the construct ${name}`);
    this.fields(node, rules[name]!, scope);
  }

  fields(node: Tree, visits: Readonly<Record<string, Visit>>, scope: Scope): void {
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
    if (scope.has(key) || this.#tables.has(key)) return;
    this.#tables.set(key, { name, position: this.#position });
  }

  #locate(node: Tree): void {
    const at = node["query_location"];
    if (typeof at === "number" && Number.isSafeInteger(at)) this.#position = at;
  }

  #refuse(what: string): never {
    throw new Refusal(what, this.#position);
  }
}

function judgeError(tree: Tree): Judged {
  const position = tree["position"] === undefined ? null : Number(tree["position"]);
  const reason = String(tree["error_message"]);
  if (tree["error_type"] === "not implemented")
    return {
      kind: "refused",
      reason: "anything but SELECT, VALUES, DESCRIBE, SUMMARIZE and SHOW TABLES",
      position: null,
    };
  return { kind: "syntax", reason, position };
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

function asTree(value: unknown): Tree {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Refusal("a construct of unknown form", null);
  return value as Tree;
}

function asList(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Refusal("a construct of unknown form", null);
  return value as readonly unknown[];
}
