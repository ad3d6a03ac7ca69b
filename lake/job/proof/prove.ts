/**
 * The proof that a job's SELECT can be evaluated window by window: behind a window macro, all that puts rows together
 * (GROUP BY, DISTINCT, window functions, joins, set operations) does so within one window. Then the result's rows of
 * some windows are what the SELECT gives of those windows alone. Before a macro every stage is row-wise: the result
 * of some rows is what the stage gives of those rows alone. What cannot be proved is refused.
 */
import { ROW_ID_COLUMN } from "../../../core/job.ts";
import type { JoinSide } from "../relation/join-side.ts";
import { PATTERN_COLUMNS, type PatternCall } from "../relation/pattern-call.ts";
import { proveExpressions, proveNode } from "./prove-expressions.ts";
import { proveJoin } from "./prove-join.ts";
import { proveSelect } from "./prove-select.ts";
import { anchorMarks } from "./prove-time-join.ts";
import type { Proving } from "./proving.ts";
import { JobRefused } from "../refusal.ts";
import { NOTHING, isSameMark, type Mark, type Member, type Scope, type Shape } from "./shape.ts";
import {
  type Tree,
  byteOf,
  child,
  children,
  functionName,
  has,
  names,
  outputName,
  text,
  walk,
} from "../tree.ts";
import type { TimeJoin } from "../relation/time-join.ts";
import type { WindowCall } from "../relation/window-call.ts";

/** CTEs that are visible, lower case. `isTop`: of the outermost WITH. */
export type Visible = ReadonlyMap<string, { readonly shape: Shape; readonly isTop: boolean }>;

export interface ProofContext {
  /** By their relation in the tree. */
  readonly calls: ReadonlyMap<Tree, WindowCall>;
  /** By their relation in the tree; of what cannot be one, why. */
  readonly joins: ReadonlyMap<Tree, TimeJoin | JobRefused>;
  /** By their relation in the tree. */
  readonly patterns: ReadonlyMap<Tree, PatternCall>;
  readonly at: (byte: number | null) => number;
  /** Whether a table, lower case, has the results of another job; absent: none has. */
  readonly isOfJob?: (table: string) => boolean;
}

export interface Proof {
  readonly result: Shape;
  /** Of the outermost WITH, in order, lower case. */
  readonly stages: ReadonlyMap<string, Shape>;
  /** Calls whose source is a CTE; of others it is a table. */
  readonly fromStage: ReadonlySet<WindowCall>;
  /** BASE_TABLE nodes that are tables, not CTEs, and not the sides of the join. */
  readonly tables: readonly Tree[];
  /** The join by time; null: there is none. */
  readonly join: TimeJoin | null;
  /** Its sides that are CTEs. */
  readonly joinsStage: ReadonlySet<JoinSide>;
  /** The call of ALL_OF or SEQUENCE; null: there is none. */
  readonly pattern: PatternCall | null;
  /** Its sources that are CTEs. */
  readonly patternStages: ReadonlySet<string>;
}

/** Identity of an event, and its place: no two rows of a table have the same. */
const TABLE_KEYS = [["event_id"], ["log_partition", "log_offset"]];
/** Of results of another job, which may have an event's columns in several rows. */
const RESULT_KEYS = [[ROW_ID_COLUMN]];

/** Of the tables of a job's engine. */
export const OWN_NAMES: RegExp = /^(new|kept|fresh|merging)_\d+$/i;

/** @param node of the only statement @throws JobRefused */
export function prove(node: Tree, context: ProofContext): Proof {
  const prover = new Prover(context);
  const result = prover.query(node, new Map(), true);
  const { stages, fromStage, join, joinsStage, pattern, patternStages } = prover;
  const tables = prover.tables.filter((table) => table !== join?.left.node && table !== join?.right.node);
  return { result, stages, fromStage, tables, join, joinsStage, pattern, patternStages };
}

class Prover implements Proving {
  readonly stages = new Map<string, Shape>();
  readonly fromStage = new Set<WindowCall>();
  readonly tables: Tree[] = [];
  readonly joinsStage = new Set<JoinSide>();
  join: TimeJoin | null = null;
  pattern: PatternCall | null = null;
  readonly patternStages = new Set<string>();
  /** BASE_TABLE nodes that are CTEs: whether of the outermost WITH. */
  readonly #references = new Map<Tree, boolean>();
  readonly #context: ProofContext;
  #byte: number | null = null;

  constructor(context: ProofContext) {
    this.#context = context;
  }

  refuse(reason: string, instead: string | null = null, node: Tree = {}): never {
    throw new JobRefused(this.#context.at(byteOf(node) ?? this.#byte), reason, instead);
  }

  /** Of a join without windows what is known of it. @throws JobRefused */
  timeJoin(node: Tree): TimeJoin {
    const join = this.#context.joins.get(node)!;
    if (join instanceof JobRefused) throw join;
    this.#only(node);
    for (const side of [join.left, join.right]) {
      const isTop = this.#references.get(side.node);
      if (isTop === false)
        this.refuse(`"${side.source}" is a CTE within a SELECT.`, "a CTE of the job's first WITH", side.node);
      if (isTop) this.joinsStage.add(side);
    }
    this.join = join;
    return join;
  }

  /** What releases anchors, or left rows, is alone in a job. @throws JobRefused */
  #only(node: Tree): void {
    if (!this.join && !this.pattern && this.#context.calls.size === 0) return;
    this.refuse(
      "A job has one join by time or one pattern, and no windows with it.",
      "a second job over the first one's table",
      node,
    );
  }

  #pattern(node: Tree, call: PatternCall, visible: Visible): Shape {
    this.#only(node);
    this.pattern = call;
    const stages = call.sources.map(({ name }) => visible.get(name));
    for (const [i, stage] of stages.entries()) {
      const { name } = call.sources[i]!;
      if (stage && !stage.isTop)
        this.refuse(`"${name}" is a CTE within a SELECT.`, "a CTE of the job's first WITH", node);
      if (stage?.shape.isWindowed)
        this.refuse(
          "A pattern behind windows is not supported.",
          "a second job over the first one's table",
          node,
        );
      if (stage) this.patternStages.add(name);
    }
    const keys = stages[0] ? stages[0].shape.keys : this.#keysOf(call.sources[0]!.name);
    const none = PATTERN_COLUMNS[call.macro].map((name): [string, Mark] => [name, null]);
    const anchors: Shape = { isWindowed: true, marks: new Map(none), keys };
    return { ...anchors, marks: anchorMarks({ ...anchors, name: "" }, call.time, "deadline") };
  }

  query(node: Tree, outer: Visible, isTop = false): Shape {
    const visible = new Map(outer);
    for (const item of children(child(node, "cte_map") ?? {}, "map")) this.#stage(item, visible, isTop);
    if (node["type"] === "SET_OPERATION_NODE") return this.#setOperation(node, visible);
    if (node["type"] !== "SELECT_NODE") this.refuse("A job has no recursion.", "a chain of CTEs");
    this.#modifiers(node);
    const scope = this.#from(child(node, "from_table") ?? {}, visible);
    proveExpressions(this, node);
    return proveSelect(this, node, scope);
  }

  #stage(item: Tree, visible: Map<string, { shape: Shape; isTop: boolean }>, isTop: boolean): void {
    const value = child(item, "value") ?? {};
    const inner = child(child(value, "query") ?? {}, "node") ?? {};
    const name = text(item, "key").toLowerCase();
    if (OWN_NAMES.test(name)) this.refuse(`The name "${name}" is the engine's own.`, "another name", inner);
    if (names(value, "aliases").length > 0)
      this.refuse(`The columns of "${name}" are named beside it.`, "SELECT … AS column", inner);
    const shape = this.query(inner, visible);
    visible.set(name, { shape, isTop });
    if (isTop) this.stages.set(name, shape);
  }

  #modifiers(node: Tree): void {
    for (const modifier of children(node, "modifiers")) {
      if (modifier["type"] === "DISTINCT_MODIFIER" && children(modifier, "distinct_on_targets").length === 0)
        continue;
      const orders = children(modifier, "orders");
      if (orders[0]) this.#locate(child(orders[0], "expression") ?? {});
      this.refuse(
        "ORDER BY, LIMIT and DISTINCT ON look at rows of all windows, and a table has no order.",
        "QUALIFY rank() OVER (PARTITION BY window_end ORDER BY …) <= 10",
      );
    }
    if (has(node, "sample")) this.refuse("A sample is taken by chance.");
  }

  #setOperation(node: Tree, visible: Visible): Shape {
    this.#modifiers(node);
    const arms = [child(node, "left"), child(node, "right"), ...children(node, "children")].filter(
      (arm) => arm !== null,
    );
    const shapes = arms.map((arm) => this.query(arm, visible));
    const windowed = shapes.filter((shape) => shape.isWindowed).length;
    if (windowed !== 0 && windowed !== shapes.length)
      this.refuse("Rows of windows and rows without a window cannot be one result.", "two jobs");
    const marks = commonMarks(arms, shapes);
    const isAll = node["setop_type"] === "UNION" && node["setop_all"] === true;
    if (node["setop_type"] === "UNION_BY_NAME") this.refuse("UNION BY NAME is not supported.", "UNION ALL");
    if (!isAll && ![...marks.values()].some((mark) => mark !== null))
      this.refuse(
        "UNION, INTERSECT and EXCEPT compare rows of all windows.",
        "UNION ALL; or window_end, by name, at the same place in both",
      );
    return { isWindowed: windowed > 0, marks, keys: [] };
  }

  #from(node: Tree, visible: Visible): Scope {
    this.#locate(node);
    if (has(node, "sample")) this.refuse("A sample is taken by chance.", null, node);
    const type = String(node["type"]);
    if (type === "JOIN") {
      const left = this.#from(child(node, "left") ?? {}, visible);
      const right = this.#from(child(node, "right") ?? {}, visible);
      this.#locate(node);
      return proveJoin(this, node, left, right);
    }
    const alias = text(node, "alias").toLowerCase();
    if (names(node, "column_name_alias").length > 0 && type !== "TABLE_FUNCTION")
      this.refuse("The columns are named beside the table.", "SELECT … AS column", node);
    if (type === "BASE_TABLE")
      return one(this.#table(node, visible), alias || text(node, "table_name").toLowerCase());
    if (type === "SUBQUERY") {
      const inner = child(child(node, "subquery") ?? {}, "node") ?? {};
      return one(this.query(inner, visible), alias);
    }
    if (type === "TABLE_FUNCTION")
      return one(this.#function(node, visible), alias || functionName(child(node, "function") ?? {}));
    if (type === "EMPTY") this.refuse("This SELECT reads no table.", "FROM a table of the lake", node);
    return this.refuse(`A job has no ${type === "EXPRESSION_LIST" ? "VALUES" : type}.`, null, node);
  }

  #table(node: Tree, visible: Visible): Shape {
    const stage = visible.get(text(node, "table_name").toLowerCase());
    if (stage) {
      this.#references.set(node, stage.isTop);
      return stage.shape;
    }
    this.tables.push(node);
    return { isWindowed: false, marks: new Map(), keys: this.#keysOf(text(node, "table_name")) };
  }

  /** A macro, or a function that makes rows of one row's values. */
  #function(node: Tree, visible: Visible): Shape {
    const pattern = this.#context.patterns.get(node);
    if (pattern) return this.#pattern(node, pattern, visible);
    const call = this.#context.calls.get(node);
    if (!call) {
      for (const inner of walk(child(node, "function")?.["children"])) proveNode(this, inner);
      const given = [...names(node, "column_name_alias"), text(node, "alias").toLowerCase()];
      return { isWindowed: false, marks: new Map(given.map((name) => [name, null])), keys: [] };
    }
    const stage = visible.get(call.source);
    if (stage && !stage.isTop)
      this.refuse(`"${call.source}" is a CTE within a SELECT.`, "a CTE of the job's first WITH", node);
    if (stage?.shape.isWindowed)
      this.refuse("A window over windows is not supported.", "a second job over the first one's table", node);
    if (stage) this.fromStage.add(call);
    const keys = stage ? stage.shape.keys : this.#keysOf(call.source);
    if (call.macro === "dedup" && !keys.some((key) => key.length === 1 && key[0] === "event_id"))
      this.refuse(
        `Which of two equal rows of "${call.source}" comes first is not said.`,
        "a table of events, or a CTE over one that keeps event_id",
        node,
      );
    // Each row is final by itself: nothing binds it to others.
    if (call.macro === "dedup") return { isWindowed: true, marks: new Map(), keys };
    const start: Mark = call.macro === "session" ? null : { kind: "start", sizeMs: call.sizeMs };
    return {
      isWindowed: true,
      marks: new Map<string, Mark>([
        ["window_start", start],
        ["window_end", { kind: "end" }],
      ]),
      keys,
    };
  }

  #keysOf(table: string): Shape["keys"] {
    return this.#context.isOfJob?.(table.toLowerCase()) ? RESULT_KEYS : TABLE_KEYS;
  }

  #locate(node: Tree): void {
    this.#byte = byteOf(node) ?? this.#byte;
  }
}

function one(shape: Shape, name: string): Scope {
  const member: Member = { ...shape, name };
  return { ...NOTHING, members: [member] };
}

/** Columns that are written out, by name, at the same place in all, and mean the same. */
function commonMarks(arms: readonly Tree[], shapes: readonly Shape[]): ReadonlyMap<string, Mark> {
  const lists = arms.map((arm) => children(arm, "select_list"));
  const marks = new Map<string, Mark>();
  if (lists.some((list) => list.some((item) => item["class"] === "STAR"))) return marks;
  for (const [place, item] of lists[0]!.entries()) {
    const name = outputName(item);
    if (name === null) continue;
    const each = lists.map((list, arm) => {
      const own = list[place] ? outputName(list[place]) : null;
      return own === null ? null : (shapes[arm]!.marks.get(own) ?? null);
    });
    marks.set(name, each.every((mark) => isSameMark(mark, each[0]!)) ? each[0]! : null);
  }
  return marks;
}
