/**
 * What is known of a relation in a job's SELECT: whether it lies behind a window macro (or another thing that releases
 * rows: a join by time, a pattern), and which of its columns bind a row to the window that it is of. A mark is only
 * given where it is certain; a column without one is any column.
 */

/**
 * `end`: the time at which the row's window ends. `start`: a window of that size begins there, so that its end is
 * known, too. `anchor`: behind a join by time or a pattern, a column of the row that the result's row is released with;
 * rows with one value in it are released together. null: a column of that name which is none of them.
 */
export type Mark =
  | { readonly kind: "end" }
  | { readonly kind: "start"; readonly sizeMs: number }
  | { readonly kind: "anchor"; readonly column: string }
  | null;

export interface Shape {
  readonly isWindowed: boolean;
  /** By name, lower case. */
  readonly marks: ReadonlyMap<string, Mark>;
  /** Sets of columns, lower case: no two rows (of one window) have the same in all of a set. */
  readonly keys: readonly (readonly string[])[];
}

/** A relation of a FROM clause. */
export interface Member extends Shape {
  /** Lower case; "" for none. */
  readonly name: string;
}

/** A FROM clause. */
export interface Scope {
  readonly members: readonly Member[];
  /** Columns that a USING has made one of two, with what they are. */
  readonly merged: ReadonlyMap<string, Mark>;
}

export const NOTHING: Scope = { members: [], merged: new Map() };

export function isWindowed({ members }: Scope): boolean {
  return members.some((member) => member.isWindowed);
}

export function isSameMark(a: Mark, b: Mark): boolean {
  if (a === null || b === null) return false;
  if (a.kind === "start") return b.kind === "start" && a.sizeMs === b.sizeMs;
  if (a.kind === "anchor") return b.kind === "anchor" && a.column === b.column;
  return b.kind === "end";
}

/** @param parts of a reference to a column: its name, or its relation's and its own */
export function markOf({ members, merged }: Scope, parts: readonly string[]): Mark {
  const name = parts.at(-1)!;
  if (parts.length > 2) return null;
  if (parts.length === 2) return members.find((member) => member.name === parts[0])?.marks.get(name) ?? null;
  const isMerged = merged.get(name);
  if (isMerged !== undefined) return isMerged;
  // The engine refuses a bare name that two relations have.
  const found = members.filter(({ marks }) => marks.has(name)).map(({ marks }) => marks.get(name)!);
  return found.length === 1 ? found[0]! : null;
}

/** Columns that all of a FROM clause gives to a `*`, with their marks. */
export function marksOfAll(scope: Scope): ReadonlyMap<string, Mark> {
  const marks = new Map<string, Mark>();
  for (const member of scope.members)
    for (const name of member.marks.keys()) marks.set(name, markOf(scope, [name]));
  return marks;
}

/** Of an outer join the side that can be missing: its columns can be NULL, which is of no window. */
export function withoutMarks(scope: Scope): Scope {
  const members = scope.members.map((member) => ({
    ...member,
    marks: new Map([...member.marks.keys()].map((name) => [name, null])),
    keys: [],
  }));
  return { members, merged: new Map([...scope.merged.keys()].map((name) => [name, null])) };
}
