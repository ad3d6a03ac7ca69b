/** `muara alert list|silence add|silence list|silence expire`: what fires, and for how long nobody is told. */
import type { AddCommand } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObject, printObjects, type Field } from "./output.ts";
import { addRuleList } from "./rule.ts";

type Item = Readonly<Record<string, unknown>>;

const ALERTS: readonly Field[] = [
  { name: "rule" },
  { name: "state" },
  { name: "labels" },
  { name: "value", isNumber: true },
  { name: "starts_at" },
  { name: "ends_at" },
  { name: "silenced" },
  { name: "text" },
];
const SILENCES: readonly Field[] = [
  { name: "id" },
  { name: "matchers" },
  { name: "state" },
  { name: "ends_at" },
  { name: "by" },
  { name: "comment" },
];
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

interface ListOptions {
  readonly state?: string;
  readonly failOn?: string;
}

export const addAlert: AddCommand = (program, run) => {
  const alert = program.command("alert").description("what fires, and for how long nobody is told");
  alert
    .command("list")
    .description("what is pending, fires, or was resolved lately")
    .option("--state <pending|firing|resolved>", "only these")
    .option("--fail-on <state>", "exit code 6 where there is one, for scripts")
    .action(
      run(async ({ client, io, flags }, command) => {
        const { state, failOn } = command.opts<ListOptions>();
        const tail = state === undefined ? "" : `?state=${encodeURIComponent(state)}`;
        const { items } = await client.get<{ items: readonly Item[] }>(`/v1/alerts${tail}`);
        const rows = flags.output === "table" ? items.map(rowOf) : items;
        printObjects(io.stdout, flags.output, ALERTS, rows);
        return items.some((one) => one["state"] === failOn) ? EXIT.checkFailed : EXIT.done;
      }),
    );
  addRuleList(alert.command("rules").description("what is watched, as `muara rule list`"), run);
  const silence = alert.command("silence").description("for some time nobody is told");
  silence
    .command("add")
    .description("takes write on system:alerts")
    .argument("<matchers>", `as Alertmanager has them: 'severity="page", country=~"D.|AT"'`)
    .requiredOption("--comment <text>", "why")
    .option("--for <time>", "30m, 2h, 7d", "2h")
    .action(
      run(async ({ client, io, flags }, command) => {
        const options = command.opts<{ comment: string; for: string }>();
        const { comment } = options;
        const body = { matchers: command.args[0]!, comment, for_ms: timeOf(options.for) };
        printObject(io.stdout, flags.output, await client.send<Item>("POST", "/v1/silences", body));
      }),
    );
  silence
    .command("list")
    .description("those that hold, and those that are over")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: readonly Item[] }>("/v1/silences");
        printObjects(io.stdout, flags.output, SILENCES, items);
      }),
    );
  silence
    .command("expire")
    .description("end one now")
    .argument("<id>")
    .action(
      run(async ({ client, say }, command) => {
        const id = command.args[0]!;
        await client.send("DELETE", `/v1/silences/${encodeURIComponent(id)}`);
        say(`${id} is over`);
      }),
    );
};

function rowOf(one: Item): Item {
  const { alertname: _name, ...labels } = one["labels"] as Record<string, string>;
  const { evidence, summary, description } = one["annotations"] as Record<string, string>;
  const text = summary ?? evidence ?? description ?? "";
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const silenced = (one["silenced_by"] as readonly string[]).length > 0;
  return { ...one, labels: pairs.join(" "), silenced, text };
}

function timeOf(text: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  if (match) return Number(match[1]) * UNIT_MS[match[2]!]!;
  throw new CliFailure(EXIT.usage, `--for: "${text}" is no time such as 30m, 2h or 7d.`);
}
