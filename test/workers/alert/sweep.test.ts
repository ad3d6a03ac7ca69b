/** What a process takes away at its start: states of rules that have gone, and no others. */
import { expect, test } from "vitest";
import { ruleStatePath } from "../../../core/rule.ts";
import { Registry } from "../../../core/registry.ts";
import { createRuleWorker, type RuleWorkerPorts } from "../../../workers/alert/worker.ts";
import { install } from "../land/setup.ts";

test("states of rules that have gone are swept; that of one declared elsewhere meanwhile stays", async () => {
  const at = await install();
  const elsewhere = await Registry.open(at.log, "elsewhere", at.clock);
  const rule = { id: "0a1b2c3d4e5f", name: "Few", isPaused: true };
  await elsewhere.put("rule", rule.name, 0, rule, "test");
  for (const id of [rule.id, "ffffffffffff"])
    await at.store.put(ruleStatePath(id), new Uint8Array([123, 125]));
  const over = new AbortController();
  over.abort();
  await createRuleWorker(at as unknown as RuleWorkerPorts, {} as never).run(over.signal);
  expect(await at.store.head(ruleStatePath("ffffffffffff"))).toBeUndefined();
  expect(await at.store.head(ruleStatePath(rule.id))).toBeDefined();
});
