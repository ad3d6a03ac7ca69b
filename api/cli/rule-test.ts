/** `muara rule test FILE`: what a rule would have said in a span of the past. */
import type { Command } from "commander";
import { duration, type RunAction } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObject, printObjects, type Field } from "./output.ts";
import { readRule } from "./rule-file.ts";

type Item = Readonly<Record<string, unknown>>;

interface TestOptions {
  readonly since: string;
  readonly until?: string;
  readonly step?: string;
  readonly failOn?: string;
}

interface Answer extends Item {
  readonly changes: readonly Item[];
  readonly evaluations: number;
  readonly unanswered: number;
  readonly evaluated_until: string | null;
  readonly is_truncated: boolean;
}

const CHANGES: readonly Field[] = [
  { name: "at" },
  { name: "from" },
  { name: "to" },
  { name: "labels" },
  { name: "value", isNumber: true },
  { name: "text" },
];
const STATES = ["pending", "firing", "resolved"];

export function addRuleTest(rule: Command, run: RunAction): void {
  rule
    .command("test")
    .description("what it would have said in a span of the past; nothing is declared or sent")
    .argument("<file>", "as for deploy")
    .option("--since <time>", "2026-11-22T20:00:00Z, or 30m, 24h, 7d before now", "1h")
    .option("--until <time>", "as --since; default: now")
    .option("--step <time>", "of a rule in SQL: how far evaluations are apart, 10s, 1m, 1h; default: 1m")
    .option("--fail-on <state>", "exit code 6 where an alert came to be pending, firing or resolved")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const { since, until, step, failOn } = command.opts<TestOptions>();
        if (failOn !== undefined && !STATES.includes(failOn))
          throw new CliFailure(EXIT.usage, `--fail-on: one of ${STATES.join(", ")}.`);
        const nowMs = io.clock.nowMs();
        const body = {
          rule: await readRule(command.args[0]!),
          since: momentOf("--since", since, nowMs),
          ...(until === undefined ? {} : { until: momentOf("--until", until, nowMs) }),
          ...(step === undefined ? {} : { step_ms: duration("--step", step) }),
        };
        const answer = await client.send<Answer>("POST", "/v1/rules/test", body);
        if (flags.output === "json") printObject(io.stdout, flags.output, answer);
        else printObjects(io.stdout, flags.output, CHANGES, answer.changes.map(rowOf));
        say(summaryOf(answer));
        return answer.changes.some(({ to }) => to === failOn) ? EXIT.checkFailed : EXIT.done;
      }),
    );
}

function rowOf(one: Item): Item {
  const { alertname: _name, ...labels } = one["labels"] as Record<string, string>;
  const { evidence, summary, description } = one["annotations"] as Record<string, string>;
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return { ...one, labels: pairs.join(" "), text: summary ?? evidence ?? description ?? "" };
}

function summaryOf({ changes, evaluations, unanswered, is_truncated: isCut, ...answer }: Answer): string {
  const fired = changes.filter(({ to }) => to === "firing").length;
  const until = answer.evaluated_until ?? "-";
  return [
    `${fired} ${fired === 1 ? "alert" : "alerts"} fired in ${evaluations} evaluations, the last of ${until}`,
    ...(unanswered === 0
      ? []
      : [`${unanswered} times could not be asked: a table was not there, or not as it was`]),
    ...(isCut ? [`there is more: go on with --since ${until}`] : []),
  ].join("\n");
}

/** A time, or so long before now. */
function momentOf(option: string, text: string, nowMs: number): string {
  if (/^\d{4}-/.test(text)) {
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return new Date(ms).toISOString();
  }
  return new Date(nowMs - duration(option, text)).toISOString();
}
