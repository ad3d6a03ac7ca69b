/** A rule that would read what it says: each alert would be a row, and so the cause of the next evaluation. */
import { ALERT_TYPE } from "./alert-event.ts";
import { MuaraError } from "./errors.ts";
import type { Registry } from "./registry.ts";
import { ringOf, tableFlows } from "./table-flow.ts";

/** @param tables that the rule reads @throws rule.refused naming the way */
export function checkRuleRing(
  registry: Pick<Registry, "list">,
  name: string,
  tables: readonly string[],
): void {
  const ring = ringOf({ by: `rule "${name}"`, from: tables, to: [ALERT_TYPE] }, tableFlows(registry));
  if (!ring) return;
  throw new MuaraError(
    "rule.refused",
    `The rule is refused: it would read what it says itself: ${ring.join(" → ")}.`,
    { details: { rule: name, loop: ring } },
  );
}
