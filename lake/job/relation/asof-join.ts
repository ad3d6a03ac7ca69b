/** As-of joins of a job's SELECT, in DuckDB's own spelling: to each left row the newest right row of its key. */
import { JobRefused } from "../refusal.ts";
import { conjuncts, sideOf, type JoinSide } from "./join-side.ts";
import { byteOf, child, columnParts, text, type Tree } from "../tree.ts";

/** Columns in lower case. */
export interface AsofJoin {
  readonly kind: "asof";
  readonly node: Tree;
  readonly left: JoinSide;
  readonly right: JoinSide;
  /** Pairs that are equal. */
  readonly keys: readonly { readonly left: string; readonly right: string }[];
  /** Only right rows before the left row's time count, not those of that time. */
  readonly isStrict: boolean;
  /** Where the condition names the right row's time. */
  readonly rightTimeByte: number;
}

export const ASOF_FORM =
  "FROM t ASOF LEFT JOIN p ON t.key = p.key AND t.event_time >= p.event_time, other conditions in a CTE before it";

/** @throws JobRefused */
export function asofJoin(node: Tree, at: (byte: number | null) => number | null): AsofJoin {
  const refuse = (reason: string, instead: string = ASOF_FORM): never => {
    throw new JobRefused(at(byteOf(node)), reason, instead);
  };
  const [leftNode, rightNode] = [child(node, "left") ?? {}, child(node, "right") ?? {}];
  const condition = child(node, "condition");
  if (!["INNER", "LEFT"].includes(text(node, "join_type")) || !condition)
    return refuse("As of a time, two tables are joined by ASOF JOIN … ON or ASOF LEFT JOIN … ON.");
  if (leftNode["type"] !== "BASE_TABLE" || rightNode["type"] !== "BASE_TABLE")
    return refuse(
      "Rows are joined as of a time where each side is a table or a CTE of the job's first WITH.",
    );
  const [left, right] = [sideOf(leftNode), sideOf(rightNode)];
  if (left.alias === right.alias)
    return refuse("Both sides have the same name.", "FROM t AS a ASOF JOIN t AS b ON …");
  const keys: { left: string; right: string }[] = [];
  const times: (Pair & { isStrict: boolean })[] = [];
  for (const part of conjuncts(condition)) {
    const pair = pairOf(part, left.alias, right.alias);
    if (!pair) return refuse("An as-of join compares columns, with the names of their tables, and no more.");
    if (pair.operator === "EQUAL") keys.push(pair);
    else if (pair.operator.startsWith("GREATERTHAN"))
      times.push({ ...pair, isStrict: pair.operator === "GREATERTHAN" });
    else return refuse("An as-of join looks back: the left row's time is >= or > the right row's.");
  }
  const [time] = times;
  if (keys.length === 0) return refuse("The join has no equality of columns of both sides.");
  if (!time || times.length > 1) return refuse("An as-of join has one comparison of times.");
  return {
    kind: "asof",
    node,
    left: { ...left, time: time.left },
    right: { ...right, time: time.right },
    keys: keys.map((key) => ({ left: key.left, right: key.right })),
    isStrict: time.isStrict,
    rightTimeByte: time.rightByte,
  };
}

interface Pair {
  readonly left: string;
  readonly right: string;
  readonly rightByte: number;
  /** As seen from the left row's column. */
  readonly operator: string;
}

const TURNED: Readonly<Record<string, string>> = {
  EQUAL: "EQUAL",
  LESSTHAN: "GREATERTHAN",
  LESSTHANOREQUALTO: "GREATERTHANOREQUALTO",
  GREATERTHAN: "LESSTHAN",
  GREATERTHANOREQUALTO: "LESSTHANOREQUALTO",
};

/** A comparison of a column of one side with a column of the other. */
function pairOf(node: Tree, left: string, right: string): Pair | null {
  const operator = text(node, "type").replace(/^COMPARE_/, "");
  const turned = TURNED[operator];
  const [one, other] = [child(node, "left") ?? {}, child(node, "right") ?? {}];
  const [a, b] = [columnParts(one), columnParts(other)];
  if (turned === undefined || a?.length !== 2 || b?.length !== 2) return null;
  if (a[0] === left && b[0] === right)
    return { left: a[1]!, right: b[1]!, rightByte: byteOf(other)!, operator };
  if (a[0] === right && b[0] === left)
    return { left: b[1]!, right: a[1]!, rightByte: byteOf(one)!, operator: turned };
  return null;
}
