/** The sides of a join of two tables, and its condition. */
import { byteOf, children, text, type Tree } from "../tree.ts";

/** One of the two relations. Names in lower case. */
export interface JoinSide {
  /** Of the relation in the tree. */
  readonly node: Tree;
  /** Table or CTE. */
  readonly source: string;
  readonly sourceByte: number;
  /** Under which the condition knows it. */
  readonly alias: string;
  /** Column by which it is joined. */
  readonly time: string;
}

export function sideOf(node: Tree): Omit<JoinSide, "time"> {
  const source = text(node, "table_name").toLowerCase();
  const alias = text(node, "alias").toLowerCase() || source;
  return { node, source, sourceByte: byteOf(node) ?? 0, alias };
}

export function conjuncts(node: Tree | null): readonly Tree[] {
  if (!node) return [];
  if (node["type"] !== "CONJUNCTION_AND") return [node];
  return children(node, "children").flatMap(conjuncts);
}
