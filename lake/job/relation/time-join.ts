/** Joins of a job's SELECT of tables without windows: all of them are by time. */
import { asofJoin, type AsofJoin } from "./asof-join.ts";
import { intervalJoin, type IntervalJoin } from "./interval-join.ts";
import { JobRefused } from "../refusal.ts";
import { text, walk, type Tree } from "../tree.ts";
import type { IntervalReader } from "./window-call.ts";

export type TimeJoin = IntervalJoin | AsofJoin;

type At = (byte: number | null) => number | null;

/** By their relation in the tree; of what is no such join why not, should it have to be one. */
export async function timeJoins(
  tree: Tree,
  readInterval: IntervalReader,
  at: At,
): Promise<ReadonlyMap<Tree, TimeJoin | JobRefused>> {
  const joins = new Map<Tree, TimeJoin | JobRefused>();
  for (const node of walk(tree)) {
    if (node["type"] !== "JOIN") continue;
    try {
      const isAsof = text(node, "ref_type") === "ASOF";
      joins.set(node, isAsof ? asofJoin(node, at) : await intervalJoin(node, readInterval, at));
    } catch (error) {
      if (!(error instanceof JobRefused)) throw error;
      joins.set(node, error);
    }
  }
  return joins;
}
