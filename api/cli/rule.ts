/** `muara rule deploy|test|list|show|pause|resume|remove`: conditions over the lake, of which alerts are made. */
import type { AddCommand } from "./command.ts";
import { printObject, printObjects, type Field } from "./output.ts";
import { readRule } from "./rule-file.ts";
import { addRuleTest } from "./rule-test.ts";
import { addOne } from "./show-one.ts";

type Item = Readonly<Record<string, unknown>>;

const LIST: readonly Field[] = [
  { name: "name" },
  { name: "kind" },
  { name: "state" },
  { name: "firing", isNumber: true },
  { name: "pending", isNumber: true },
  { name: "evaluated_at" },
  { name: "complete_through" },
  { name: "runs_on" },
  { name: "problem" },
];

export const addRule: AddCommand = (program, run) => {
  const rule = program.command("rule").description("conditions over the lake, of which alerts are made");
  rule
    .command("deploy")
    .description("declare a rule, or change it; takes write on system:alerts")
    .argument("<file>", "JSON: name, sql or drop, labels, annotations, for_ms, receivers")
    .action(
      run(async ({ client, io, flags }, command) => {
        const body = await readRule(command.args[0]!);
        printObject(io.stdout, flags.output, await client.send<Item>("POST", "/v1/rules", body));
      }),
    );
  addRuleTest(rule, run);
  addRuleList(rule.command("list").description("what is watched"), run);
  addOne(rule.command("show").description("how one is"), run, "/v1/rules", "GET");
  addOne(rule.command("pause").description("rest until it is resumed"), run, "/v1/rules", "POST", "/pause");
  addOne(rule.command("resume").description("go on"), run, "/v1/rules", "POST", "/resume");
  rule
    .command("remove")
    .description("end it; who was told that it fires is told that it is over")
    .argument("<name>")
    .action(
      run(async ({ client, say }, command) => {
        const name = command.args[0]!;
        await client.send("DELETE", `/v1/rules/${encodeURIComponent(name)}`);
        say(`${name} is removed`);
      }),
    );
};

/** Also `muara alert rules`. */
export const addRuleList: AddCommand = (command, run) => {
  command.action(
    run(async ({ client, io, flags }) => {
      const { items } = await client.get<{ items: readonly Item[] }>("/v1/rules");
      const isTable = flags.output === "table";
      const rows = isTable ? items.map((one) => ({ ...one, kind: one["drop"] ? "drop" : "sql" })) : items;
      printObjects(io.stdout, flags.output, LIST, rows);
    }),
  );
};
