/** Runs the declared rules, each by itself. */
import { isAssertion } from "../../core/assert.ts";
import { DeclaredRuns, type DeclaredRunsPorts } from "../../core/declared-runs.ts";
import { due } from "../../core/alert-outbox.ts";
import type { MetricName } from "../../core/metric-catalogue.ts";
import type { Sample } from "../../core/open-metrics.ts";
import { ALERT_FOLDER, type Rule, ruleStatePath, type RuleState } from "../../core/rule.ts";
import type { OpenReceiver } from "./receivers.ts";
import { RuleLoop, type RuleOptions, type RulePorts } from "./rule-loop.ts";

export interface RuleWorker {
  /** Until the signal is aborted and all have ended. */
  run(signal: AbortSignal): Promise<void>;
  samples(): readonly Sample[];
}

export interface RuleWorkerPorts extends RulePorts, DeclaredRunsPorts {
  /** @throws config.invalid where the rule names whom the configuration lacks */
  readonly openReceivers: (rule: Rule) => readonly OpenReceiver[];
}

export function createRuleWorker(ports: RuleWorkerPorts, options: RuleOptions): RuleWorker {
  const runs = new DeclaredRuns<Rule, RuleLoop>(ports, {
    kind: "rule",
    // Its state stays over a change of the declaration; what is remembered in this process does not.
    identityOf: ({ id, changedMs }) => `${id}-${changedMs}`,
    run: async (rule, begun, signal) => {
      const loop = new RuleLoop(ports, options, rule, ports.openReceivers(rule));
      begun(loop);
      await loop.run(signal);
    },
  });
  return {
    run: async (signal) => {
      await sweepStates(ports);
      await runs.run(signal);
    },
    samples: () =>
      [...runs.loops()].flatMap(([rule, { state, evaluations }]) =>
        state ? samplesOf(rule, state, evaluations, ports.clock.nowMs()) : [],
      ),
  };
}

/** States of rules that went while no process ran them. */
async function sweepStates({ registry, store, logger }: RuleWorkerPorts): Promise<void> {
  try {
    const found = await store.list(ALERT_FOLDER);
    // Only then: a rule that another process has declared since, and runs, is no rule that has gone.
    await registry.refresh();
    const kept = new Set(registry.list<Rule>("rule").map(({ value }) => ruleStatePath(value!.id)));
    for (const { path } of found) if (!kept.has(path)) await store.delete(path);
  } catch (error) {
    if (isAssertion(error)) throw error;
    logger.warn("states of rules that have gone stay for now", { error });
  }
}

function samplesOf(rule: string, state: RuleState, evaluations: number, nowMs: number): readonly Sample[] {
  const labels = { rule };
  const { series, completeThroughMs, problem, isNoData, outboxes } = state;
  const active = [...state.alerts.alerts, ...state.noData.alerts].filter(
    ({ status }) => status !== "resolved",
  );
  const values: readonly (readonly [MetricName, number | undefined])[] = [
    ["muara_rule_evaluations", evaluations],
    ["muara_rule_failing", problem === null ? 0 : 1],
    ["muara_rule_no_data", isNoData ? 1 : 0],
    ["muara_rule_series", series?.total],
    ["muara_rule_warming_series", series?.warming],
    ["muara_rule_complete_seconds", completeThroughMs === null ? undefined : completeThroughMs / 1_000],
  ];
  return [
    ...active.map(({ labels: own, status }) => ({
      name: "muara_alerts" as const,
      labels: { ...own, alertstate: status },
      value: 1,
    })),
    ...values.flatMap(([name, value]) => (value === undefined ? [] : [{ name, labels, value }])),
    ...Object.entries(outboxes).map(([receiver, outbox]) => ({
      name: "muara_alert_waiting" as const,
      labels: { rule, receiver },
      value: due(outbox, nowMs, { resendMs: null }).length,
    })),
  ];
}
