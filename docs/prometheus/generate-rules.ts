/** Writes docs/prometheus/muara.rules.yml from alert-rules.ts: `npx node docs/prometheus/generate-rules.ts`. */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ALERT_RULES, type AlertRule } from "./alert-rules.ts";

/** In a packaged installation beside the rules. */
const RUNBOOK = "docs/OPERATE.md";

export function rulesText(): string {
  const groups = Object.entries(ALERT_RULES).map(
    ([name, rules]) => `  - name: ${name}\n    rules:\n${rules.map(ruleText).join("")}`,
  );
  const head =
    "# Written by docs/prometheus/generate-rules.ts from alert-rules.ts; do not edit.\n" +
    '# The scrape job is called "muara"; see "Metrics" in docs/OPERATE.md.\n';
  return `${head}groups:\n${groups.join("")}`;
}

/** Where the runbook has a rule. */
export function runbookOf({ alert }: Pick<AlertRule, "alert">): string {
  return `${RUNBOOK}#${alert.toLowerCase()}`;
}

/** Strings as YAML has JSON's. */
function ruleText(rule: AlertRule): string {
  return [
    `      - alert: ${rule.alert}`,
    `        expr: ${JSON.stringify(rule.expr)}`,
    `        for: ${rule.for}`,
    `        labels:\n          severity: ${rule.severity}`,
    `        annotations:\n          summary: ${JSON.stringify(rule.summary)}`,
    `          runbook_url: ${JSON.stringify(runbookOf(rule))}`,
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("muara.rules.yml", import.meta.url), rulesText());
