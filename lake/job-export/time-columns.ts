/** Windows of other engines go by the one time that has a watermark: `event_time` of the table, under whatever name. */
import { JobRefused } from "../job/refusal.ts";
import { byteOf, child, children, columnParts, outputName, text, type Tree } from "../job/tree.ts";
import type { At, WindowCall } from "../job/relation/window-call.ts";

/** @throws JobRefused */
export function checkTimes(tree: Tree, calls: readonly WindowCall[], at: At, engine: string): void {
  const stages = new Map(
    children(child(tree, "cte_map") ?? {}, "map").map((item) => [
      text(item, "key").toLowerCase(),
      child(child(child(item, "value") ?? {}, "query") ?? {}, "node") ?? {},
    ]),
  );
  for (const { source, time, node } of calls)
    if (!isEventTime(source, time, stages))
      throw new JobRefused(
        at(byteOf(child(node, "function") ?? {})),
        `Not exported to ${engine}: a window by ${time}, which has no watermark there.`,
        "event_time",
      );
}

function isEventTime(source: string, column: string, stages: ReadonlyMap<string, Tree>): boolean {
  const stage = stages.get(source);
  return stage ? arms(stage).every((arm) => comesFrom(arm, column, stages)) : column === "event_time";
}

function comesFrom(node: Tree, column: string, stages: ReadonlyMap<string, Tree>): boolean {
  const item = children(node, "select_list").find((one) => outputName(one) === column);
  const own = item ? columnParts(item)?.at(-1) : undefined;
  const from = child(node, "from_table") ?? {};
  if (own === undefined || text(from, "type") !== "BASE_TABLE") return false;
  return isEventTime(text(from, "table_name").toLowerCase(), own, stages);
}

function arms(node: Tree): readonly Tree[] {
  if (text(node, "type") === "SELECT_NODE") return [node];
  return [child(node, "left"), child(node, "right"), ...children(node, "children")].flatMap((arm) =>
    arm ? arms(arm) : [],
  );
}
