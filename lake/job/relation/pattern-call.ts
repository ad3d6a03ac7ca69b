/** The calls of ALL_OF and SEQUENCE in a job's SELECT. */
import { JobRefused } from "../refusal.ts";
import { byteOf, child, children, columnParts, functionName, text, walk, type Tree } from "../tree.ts";
import { intervalMs, type IntervalReader } from "./window-call.ts";

/** By how many of its first arguments are tables. */
export const PATTERN_TABLES = { all_of: 2, sequence: 1 } as const;
export type PatternMacro = keyof typeof PATTERN_TABLES;

/** Columns that the macros add to those of an anchor. */
export const PATTERN_COLUMNS = {
  all_of: ["complete", "completed_at", "parts", "deadline"],
  sequence: ["complete", "completed_at", "steps", "step_times", "deadline"],
} as const;

/** Names in lower case. */
export interface PatternCall {
  /** Of the relation in the tree. */
  readonly node: Tree;
  readonly macro: PatternMacro;
  readonly nameByte: number;
  /** Tables or CTEs: of the anchors, and of the rows that they wait for; of SEQUENCE the same. */
  readonly sources: readonly { readonly name: string; readonly byte: number }[];
  /** Columns of both. */
  readonly time: string;
  readonly key: string;
  /** Of the rows that are waited for: of ALL_OF the part, of SEQUENCE the kind. */
  readonly part: string;
  /** Of ALL_OF: column of the anchors, a number of parts or a list of them. */
  readonly need: string;
  /** Of SEQUENCE: kinds, in order. */
  readonly steps: readonly string[];
  readonly withinMs: number;
}

type At = (byte: number | null) => number | null;

export const PATTERN_FORMS: Readonly<Record<PatternMacro, string>> = {
  all_of: "ALL_OF(orders, parcels, event_time, order_id, parcel_id, parcel_count, INTERVAL '7 days')",
  sequence: "SEQUENCE(events, event_time, order_id, kind, ['placed', 'paid', 'sent'], INTERVAL '7 days')",
};
const STEPS_MAX = 8;
const LEAST_MS = 1_000;
const LONGEST_MS = 31 * 86_400_000;

/** @throws JobRefused */
export async function patternCalls(
  tree: Tree,
  readInterval: IntervalReader,
  at: At,
): Promise<ReadonlyMap<Tree, PatternCall>> {
  const calls = new Map<Tree, PatternCall>();
  for (const node of walk(tree)) {
    const call = node["type"] === "TABLE_FUNCTION" ? child(node, "function") : null;
    const name = call ? functionName(call) : "";
    if (call && isPattern(name)) calls.set(node, await patternCall(node, call, name, readInterval, at));
  }
  return calls;
}

function isPattern(name: string): name is PatternMacro {
  return Object.hasOwn(PATTERN_TABLES, name);
}

async function patternCall(
  node: Tree,
  call: Tree,
  macro: PatternMacro,
  readInterval: IntervalReader,
  at: At,
): Promise<PatternCall> {
  const refuse = (reason: string): never => {
    throw new JobRefused(at(byteOf(call)), reason, PATTERN_FORMS[macro]);
  };
  const given = children(call, "children");
  const tables = PATTERN_TABLES[macro];
  if (given.length !== tables + 5) return refuse(`${macro.toUpperCase()} does not take these arguments.`);
  if (node["with_ordinality"] === "WITH_ORDINALITY") refuse("WITH ORDINALITY counts rows of all anchors.");
  const bare = (place: number): string => {
    const parts = columnParts(given[place]!);
    return parts?.length === 1
      ? parts[0]!
      : refuse("Here stands the bare name of a column; make it in a CTE before.");
  };
  const sources = given.slice(0, tables).map((source, i) => ({ name: bare(i), byte: byteOf(source) ?? 0 }));
  const withinMs =
    (await intervalMs(given.at(-1)!, readInterval)) ??
    refuse("Here stands an INTERVAL of milliseconds to weeks, written as a constant.");
  if (withinMs < LEAST_MS || withinMs > LONGEST_MS)
    refuse(`${macro.toUpperCase()} goes from 1 second to 31 days.`);
  const steps = macro === "sequence" ? stepsOf(given[tables + 3]!) : [];
  if (macro === "sequence" && (steps.length < 2 || steps.length > STEPS_MAX))
    refuse(`The steps are 2 to ${STEPS_MAX} constant texts in a list.`);
  if (new Set(steps).size < steps.length)
    refuse("A step stands there twice, which its first row would be, too.");
  return {
    node,
    macro,
    nameByte: byteOf(call) ?? 0,
    sources,
    time: bare(tables),
    key: bare(tables + 1),
    part: bare(tables + 2),
    need: macro === "all_of" ? bare(tables + 3) : "",
    steps,
    withinMs,
  };
}

/** Of `['a', 'b']` the texts; none where it is something else. */
function stepsOf(node: Tree): readonly string[] {
  const items = children(node, "children");
  const isList = node["class"] === "FUNCTION" && ["list_value", "array_value"].includes(functionName(node));
  if (!isList || !items.every(isText)) return [];
  return items.map((item) => String(child(item, "value")?.["value"]));
}

function isText(item: Tree): boolean {
  const type = child(child(item, "value") ?? {}, "type") ?? {};
  return item["class"] === "CONSTANT" && text(type, "id") === "VARCHAR";
}
