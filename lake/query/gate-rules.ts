/**
 * The grammar that user SQL may use, as DuckDB 1.5.5 writes it in JSON: every node by its tag, every key of it.
 * What is not here is refused by gate.ts. The engine leaves out keys that are null or empty.
 */
/** Ends the judging: `message` says what is not allowed. */
export class Refusal extends Error {
  readonly byte: number | null;
  constructor(reason: string, byte: number | null) {
    super(reason);
    this.byte = byte;
  }
}

export type Tree = Readonly<Record<string, unknown>>;
/** Names of the CTEs that are visible, lower case; the engine prefers them to tables. */
export type Scope = ReadonlySet<string>;
export type Visit = (gate: Walker, value: unknown, scope: Scope) => void;

/** What the rules ask of the one who walks the tree. */
export interface Walker {
  query(node: Tree, outer: Scope): void;
  expression(node: Tree, scope: Scope): void;
  relation(node: Tree, scope: Scope): void;
  tableFunction(node: Tree, scope: Scope): void;
  functionName(written: string): void;
  keys(node: Tree, rules: Rules, tag: string, scope: Scope): void;
  fields(node: Tree, visits: Fields, scope: Scope): void;
}

/** Every key that a node may have, and how its value is judged. */
export type Fields = Readonly<Record<string, Visit>>;
/** Every node of a group, by its tag. */
export type Rules = Readonly<Record<string, Fields>>;

/** A leaf: text, number, flag or constant data. It cannot name anything that is looked up. */
export const data: Visit = () => {};
export const expression: Visit = (gate, value, scope) => gate.expression(asTree(value), scope);
const relation: Visit = (gate, value, scope) => gate.relation(asTree(value), scope);
export const query: Visit = (gate, value, scope) => gate.query(asTree(value), scope);
export const statement: Visit = (gate, value, scope) => gate.query(asTree(asTree(value)["node"]), scope);
const modifier: Visit = (gate, value, scope) => gate.keys(asTree(value), MODIFIERS, "type", scope);
export const never = (what: string): Visit => {
  return (_gate, _value, _scope) => {
    throw new Refusal(what, null);
  };
};
export const each = (visit: Visit): Visit => {
  return (gate, value, scope) => {
    for (const item of asList(value)) visit(gate, item, scope);
  };
};
/** An object whose keys are all known. */
const shape = (keys: Fields): Visit => {
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

export const QUERIES: Rules = {
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

const DIRECTIONS = new Set<unknown>(["ORDER_DEFAULT", "ASCENDING", "DESCENDING"]);
const direction: Visit = (_gate, value) => {
  if (!DIRECTIONS.has(value)) throw new Refusal(`the order ${String(value)}`, null);
};
const ORDER = { type: direction, null_order: data, expression };
const ORDERS = each(shape(ORDER));
export const MODIFIERS: Rules = {
  ORDER_MODIFIER: { type: data, orders: ORDERS },
  LIMIT_MODIFIER: { type: data, limit: expression, offset: expression },
  LIMIT_PERCENT_MODIFIER: { type: data, limit: expression, offset: expression },
  DISTINCT_MODIFIER: { type: data, distinct_on_targets: each(expression) },
};

const COMMON = { class: data, type: data, query_location: data, alias: data };
const CHILDREN = { ...COMMON, children: each(expression) };
export const EXPRESSIONS: Rules = {
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

export const OPERATOR_TYPES = new Set(
  `OPERATOR_UNPACK ARRAY_EXTRACT ARRAY_SLICE STRUCT_EXTRACT ARRAY_CONSTRUCTOR ARROW OPERATOR_NOT COMPARE_IN
  COMPARE_NOT_IN OPERATOR_IS_NOT_NULL OPERATOR_IS_NULL OPERATOR_COALESCE OPERATOR_NULLIF OPERATOR_TRY
  GROUPING_FUNCTION`.split(/\s+/),
);

const REF = { type: data, query_location: data, alias: data, column_name_alias: data, sample: data };
export const RELATIONS: Rules = {
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

export function asTree(value: unknown): Tree {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Refusal("a construct of unknown form", null);
  return value as Tree;
}

export function asList(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Refusal("a construct of unknown form", null);
  return value as readonly unknown[];
}
