/** Interval joins of a job's SELECT: how far in time two rows may be from each other. */
import { conjuncts, sideOf, type JoinSide } from "./join-side.ts";
import { JobRefused } from "../refusal.ts";
import { byteOf, child, children, columnParts, functionName, text, type Tree } from "../tree.ts";
import { intervalMs, type IntervalReader } from "./window-call.ts";

/** A right row can count for a left row when its time is within [left time + lowMs, left time + highMs]. */
export interface IntervalJoin {
  readonly kind: "interval";
  readonly node: Tree;
  readonly left: JoinSide;
  readonly right: JoinSide;
  readonly lowMs: number;
  readonly highMs: number;
}

/** What a comparison says of right time - left time. */
interface Bound {
  readonly leftTime: string;
  readonly rightTime: string;
  readonly isUpper: boolean;
  readonly ms: number;
}

type At = (byte: number | null) => number | null;

export const INTERVAL_FORM =
  "FROM o LEFT JOIN s ON o.key = s.key AND s.event_time BETWEEN o.event_time AND o.event_time + INTERVAL '48 hours'";
const TYPES = new Set(["INNER", "LEFT", "SEMI", "ANTI"]);
const DAY_MS = 86_400_000;
/** On either side. */
const FURTHEST_MS = 31 * DAY_MS;
const UPPER = new Set(["COMPARE_LESSTHAN", "COMPARE_LESSTHANOREQUALTO"]);
const LOWER = new Set(["COMPARE_GREATERTHAN", "COMPARE_GREATERTHANOREQUALTO"]);

/** @throws JobRefused */
export async function intervalJoin(node: Tree, readInterval: IntervalReader, at: At): Promise<IntervalJoin> {
  const refuse = (reason: string, instead: string = INTERVAL_FORM): never => {
    throw new JobRefused(at(byteOf(node)), reason, instead);
  };
  const [left, right] = [child(node, "left") ?? {}, child(node, "right") ?? {}];
  const condition = child(node, "condition");
  if (text(node, "ref_type") !== "REGULAR" || !TYPES.has(text(node, "join_type")) || !condition)
    return refuse("Without windows, two tables are joined by INNER, LEFT, SEMI or ANTI JOIN … ON.");
  if (left["type"] !== "BASE_TABLE" || right["type"] !== "BASE_TABLE")
    return refuse("Rows are joined by time where each side is a table or a CTE of the job's first WITH.");
  const [a, b] = [sideOf(left), sideOf(right)];
  if (a.alias === b.alias) return refuse("Both sides have the same name.", "FROM t AS a JOIN t AS b ON …");
  const parts = conjuncts(condition);
  if (!parts.some((part) => isKey(part, a.alias, b.alias)))
    refuse("The join has no equality of columns of both sides, with the names of their tables.");
  const bounds = (
    await Promise.all(parts.map((part) => boundsOf(part, a.alias, b.alias, readInterval)))
  ).flat();
  const { leftTime, rightTime, lowMs, highMs } =
    tightest(bounds) ??
    refuse(
      "The join does not say how long before and after a left row the right one may be, in constant intervals.",
    );
  if (lowMs > highMs) refuse("No time is within these bounds.");
  if (lowMs < -FURTHEST_MS || highMs > FURTHEST_MS) refuse("The bounds go up to 31 days before and after.");
  return {
    kind: "interval",
    node,
    left: { ...a, time: leftTime },
    right: { ...b, time: rightTime },
    lowMs,
    highMs,
  };
}

/** `a.x = b.y` */
function isKey(node: Tree, left: string, right: string): boolean {
  if (node["type"] !== "COMPARE_EQUAL") return false;
  const ownerOf = (side: string): string | undefined => {
    const parts = columnParts(child(node, side) ?? {});
    return parts && parts.length > 1 ? parts[0] : undefined;
  };
  const [one, other] = [ownerOf("left"), ownerOf("right")];
  return (one === left && other === right) || (one === right && other === left);
}

async function boundsOf(
  node: Tree,
  left: string,
  right: string,
  readInterval: IntervalReader,
): Promise<readonly Bound[]> {
  const compare = async (isUpper: boolean, one: Tree, other: Tree): Promise<readonly Bound[]> => {
    const [a, b] = [await momentOf(one, readInterval), await momentOf(other, readInterval)];
    // a.time + a.ms is below or above b.time + b.ms
    if (a?.owner === right && b?.owner === left)
      return [{ leftTime: b.column, rightTime: a.column, isUpper, ms: b.ms - a.ms }];
    if (a?.owner === left && b?.owner === right)
      return [{ leftTime: a.column, rightTime: b.column, isUpper: !isUpper, ms: a.ms - b.ms }];
    return [];
  };
  const of = (key: string): Tree => child(node, key) ?? {};
  if (node["type"] === "COMPARE_BETWEEN")
    return [
      ...(await compare(false, of("input"), of("lower"))),
      ...(await compare(true, of("input"), of("upper"))),
    ];
  if (UPPER.has(text(node, "type"))) return compare(true, of("left"), of("right"));
  if (LOWER.has(text(node, "type"))) return compare(false, of("left"), of("right"));
  return [];
}

/** A column of a relation, and a constant interval more or less. */
async function momentOf(
  node: Tree,
  readInterval: IntervalReader,
): Promise<{ readonly owner: string; readonly column: string; readonly ms: number } | null> {
  const parts = columnParts(node);
  if (parts) return parts.length === 2 ? { owner: parts[0]!, column: parts[1]!, ms: 0 } : null;
  const name = functionName(node);
  const [one, other] = children(node, "children");
  if (!one || !other || !["+", "-"].includes(name)) return null;
  const [first, second] = [await momentOf(one, readInterval), await intervalMs(other, readInterval)];
  if (first && second !== null) return { ...first, ms: first.ms + (name === "+" ? second : -second) };
  const [before, behind] = [await intervalMs(one, readInterval), await momentOf(other, readInterval)];
  return before !== null && behind && name === "+" ? { ...behind, ms: behind.ms + before } : null;
}

/** Of the two columns that are bounded on both sides; null: there are none, or several. */
function tightest(bounds: readonly Bound[]): {
  readonly leftTime: string;
  readonly rightTime: string;
  readonly lowMs: number;
  readonly highMs: number;
} | null {
  const columns = new Set(bounds.map(({ leftTime, rightTime }) => JSON.stringify([leftTime, rightTime])));
  const found = [...columns].flatMap((key) => {
    const own = bounds.filter(({ leftTime, rightTime }) => JSON.stringify([leftTime, rightTime]) === key);
    const lows = own.filter(({ isUpper }) => !isUpper).map(({ ms }) => ms);
    const highs = own.filter(({ isUpper }) => isUpper).map(({ ms }) => ms);
    if (lows.length === 0 || highs.length === 0) return [];
    const { leftTime, rightTime } = own[0]!;
    return [{ leftTime, rightTime, lowMs: Math.max(...lows), highMs: Math.min(...highs) }];
  });
  return found.length === 1 ? found[0]! : null;
}
