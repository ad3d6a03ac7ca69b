/** The calls of TUMBLE, HOP, SESSION and DEDUP in a job's SELECT. */
import { SESSION_KEYS_MAX, WINDOW_MACROS, type WindowMacro } from "../kind/macros.ts";
import { JobRefused } from "../refusal.ts";
import { byteOf, child, children, columnParts, functionName, text, walk, type Tree } from "../tree.ts";

export interface WindowCall {
  /** Of the relation in the tree. */
  readonly node: Tree;
  readonly macro: WindowMacro;
  /** Name of the table or CTE, lower case, and where it stands. */
  readonly source: string;
  readonly sourceByte: number;
  readonly nameByte: number;
  /** Column, lower case. */
  readonly time: string;
  /** Of TUMBLE the size, of HOP the size, of SESSION the gap, of DEDUP the horizon. */
  readonly sizeMs: number;
  /** Of HOP; of TUMBLE its size. */
  readonly stepMs: number;
  /** Of SESSION and DEDUP: columns, lower case. */
  readonly keys: readonly string[];
}

/** What an interval is in ms; null: it has months, or parts of a ms, or is no interval. */
export type IntervalReader = (text: string) => Promise<number | null>;
export type At = (byte: number | null) => number | null;

const FORMS: Readonly<Record<WindowMacro, string>> = {
  tumble: "TUMBLE(table, event_time, INTERVAL '1 minute')",
  hop: "HOP(table, event_time, INTERVAL '1 minute', INTERVAL '1 hour')",
  session: "SESSION(table, event_time, INTERVAL '30 minutes', key)",
  dedup: "DEDUP(table, event_time, INTERVAL '48 hours', key)",
};
const HOUR_MS = 3_600_000;
const LEAST_MS = 1_000;
/** A row of HOP is in so many windows at most: 48 h by the minute. */
const HOP_WINDOWS_MAX = 2_880;
const LONGEST_MS: Readonly<Record<WindowMacro, number>> = {
  tumble: 31 * 24 * HOUR_MS,
  hop: 48 * HOUR_MS,
  session: 48 * HOUR_MS,
  dedup: 31 * 24 * HOUR_MS,
};
const UNITS_MS: Readonly<Record<string, number>> = {
  to_milliseconds: 1,
  to_seconds: 1_000,
  to_minutes: 60_000,
  to_hours: HOUR_MS,
  to_days: 24 * HOUR_MS,
  to_weeks: 7 * 24 * HOUR_MS,
};

/** @throws JobRefused */
export async function windowCalls(
  tree: Tree,
  readInterval: IntervalReader,
  at: At,
): Promise<readonly WindowCall[]> {
  const calls: WindowCall[] = [];
  for (const node of walk(tree)) {
    const call = node["type"] === "TABLE_FUNCTION" ? child(node, "function") : null;
    const macro = call ? WINDOW_MACROS.find((name) => name === functionName(call)) : undefined;
    if (call && macro) calls.push(await windowCall(node, call, macro, readInterval, at));
  }
  return calls;
}

async function windowCall(
  node: Tree,
  call: Tree,
  macro: WindowMacro,
  readInterval: IntervalReader,
  at: At,
): Promise<WindowCall> {
  const place = at(byteOf(call));
  const refuse = (reason: string): never => {
    throw new JobRefused(place, reason, FORMS[macro]);
  };
  const [source, time, ...rest] = children(call, "children");
  const spans = macro === "hop" ? 2 : 1;
  const isShort = !source || !time || rest.length < spans;
  const isKeyed = macro === "session" || macro === "dedup";
  if (macro === "dedup" && rest.length < 2) return refuse("DEDUP needs a key.");
  if (isShort || (!isKeyed && rest.length > spans) || rest.length > 1 + SESSION_KEYS_MAX)
    return refuse(`${macro.toUpperCase()} does not take these arguments.`);
  const bare = (what: Tree): string => {
    const parts = columnParts(what);
    return parts?.length === 1
      ? parts[0]!
      : refuse("Here stands the bare name of a column; make it in a CTE before.");
  };
  if (node["with_ordinality"] === "WITH_ORDINALITY") refuse("WITH ORDINALITY counts rows across windows.");
  const span = async (what: Tree): Promise<number> =>
    (await intervalMs(what, readInterval)) ??
    refuse("Here stands an INTERVAL of milliseconds to weeks, written as a constant.");
  const first = await span(rest[0]!);
  const sizeMs = macro === "hop" ? await span(rest[1]!) : first;
  if (first < LEAST_MS || sizeMs < first || sizeMs > LONGEST_MS[macro])
    refuse(`${macro.toUpperCase()} goes from 1 second to ${LONGEST_MS[macro] / HOUR_MS} hours.`);
  if (macro === "hop" && sizeMs / first > HOP_WINDOWS_MAX)
    refuse(`A row would be in more than ${HOP_WINDOWS_MAX} windows of this HOP.`);
  return {
    node,
    macro,
    source: columnParts(source)![0]!,
    sourceByte: byteOf(source) ?? 0,
    nameByte: byteOf(call) ?? 0,
    time: bare(time),
    sizeMs,
    stepMs: first,
    keys: isKeyed ? rest.slice(1).map(bare) : [],
  };
}

/** `INTERVAL '10 minutes'` is a cast of a text, `INTERVAL 10 MINUTES` a call of to_minutes. */
export async function intervalMs(node: Tree, readInterval: IntervalReader): Promise<number | null> {
  if (node["class"] === "CAST" && text(child(node, "cast_type") ?? {}, "id") === "INTERVAL") {
    const value = child(child(node, "child") ?? {}, "value");
    return value && typeof value["value"] === "string" ? readInterval(value["value"]) : null;
  }
  const unit = node["class"] === "FUNCTION" ? UNITS_MS[functionName(node)] : undefined;
  if (unit === undefined) return null;
  const others = [...walk(node["children"])].filter((inner) => {
    const kind = text(inner, "class");
    return kind !== "" && kind !== "CONSTANT" && kind !== "CAST";
  });
  if (others.some((inner) => functionName(inner) !== "trunc")) return null;
  const numbers = [...walk(node["children"])].filter((inner) => inner["class"] === "CONSTANT");
  const value = numbers.length === 1 ? child(numbers[0]!, "value") : null;
  // A decimal's constant has its digits without the point.
  if (!["INTEGER", "BIGINT", "VARCHAR"].includes(text(child(value ?? {}, "type") ?? {}, "id"))) return null;
  const ms = Number(value?.["value"]) * unit;
  return Number.isSafeInteger(ms) ? ms : null;
}
