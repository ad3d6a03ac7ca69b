/**
 * A join by time: each row of it is released with its left row, so that what is behind it has to keep rows of left rows
 * that are released at different times apart, as behind a window.
 */
import type { Proving } from "./proving.ts";
import type { Mark, Member, Scope } from "./shape.ts";
import { text, type Tree } from "../tree.ts";

/** @throws JobRefused */
export function proveTimeJoin(prover: Proving, node: Tree, left: Scope, right: Scope): Scope {
  const join = prover.timeJoin(node);
  const [own, other] = [left.members[0]!, right.members[0]!];
  const anchor: Member = { ...own, isWindowed: true, marks: anchorMarks(own, join.left.time) };
  const kind = text(node, "join_type");
  if (kind === "SEMI" || kind === "ANTI") return { members: [anchor], merged: new Map() };
  // Two relations may have columns of one name, so that a set of names is no key of the whole.
  const members = [anchor, { ...other, isWindowed: true }].map((member) => ({ ...member, keys: [] }));
  return { members, merged: new Map() };
}

/** Rows of one time are released together, and so are those of one row. */
export function anchorMarks({ marks, keys }: Member, ...times: readonly string[]): ReadonlyMap<string, Mark> {
  const single = keys.filter((key) => key.length === 1).map((key) => key[0]!);
  const anchors = [...times, ...single].map((column): [string, Mark] => [column, { kind: "anchor", column }]);
  return new Map<string, Mark>([...marks, ...anchors]);
}
