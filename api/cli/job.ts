/** `muara job …`: SELECTs that go on, with their results in tables. */
import { readFile } from "node:fs/promises";
import { wholeNumber, type AddCommand, type RunAction } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { addJobExport } from "./job-export.ts";
import { addJobLogs } from "./job-logs.ts";
import { printObject, printObjects, printRows, type Field } from "./output.ts";

type Item = Readonly<Record<string, unknown>>;
type Client = Parameters<Parameters<RunAction>[0]>[0]["client"];

interface DeployOptions {
  readonly start: string;
  readonly limit?: readonly string[];
  readonly upgrade?: boolean;
  readonly continue?: boolean;
}

const LIST: readonly Field[] = [
  { name: "name" },
  { name: "output" },
  { name: "state" },
  { name: "is_live" },
  { name: "version", isNumber: true },
  { name: "behind_versions", isNumber: true },
  { name: "behind_ms", isNumber: true },
  { name: "released_until" },
  { name: "runs_on" },
  { name: "problem" },
];
const START = /^([^@]+)@(\d{1,15})$/;

export const addJob: AddCommand = (program, run) => {
  const job = program.command("job").description("SELECTs that go on, with their results in tables");
  job
    .command("plan")
    .alias("check")
    .description("what a job would be, or where and why it is refused")
    .argument("<file>", "CREATE JOB … AS SELECT … EMIT ON WINDOW CLOSE INTO lake …")
    .action(
      run(async ({ client, io, flags }, command) => {
        const text = await readFile(command.args[0]!, "utf8");
        printObject(io.stdout, flags.output, await client.send<Item>("POST", "/v1/jobs/plan", { text }));
      }),
    );
  job
    .command("deploy")
    .description("run it; takes admin on its output table")
    .argument("<file>", "as for plan")
    .option(
      "--start <begin|now|TABLE@VERSION…>",
      "with all that is there, with what is not final yet, or at versions, with commas between",
      "begin",
    )
    .option("--limit <name=number...>", "memory_bytes, threads, step_rows, step_ms and others")
    .option("--upgrade", "the job of this name goes on by this text where it is")
    .option("--continue", "go on in the table that a job of this name has left")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const { start, limit = [], upgrade, continue: goesOn } = command.opts<DeployOptions>();
        const text = await readFile(command.args[0]!, "utf8");
        const limits = Object.fromEntries(limit.map(limitOf));
        const deployed = upgrade
          ? await upgradeTo(client, text, limit.length === 0 ? {} : { limits })
          : await client.send<Item>("POST", "/v1/jobs", {
              text,
              start: startOf(start),
              limits,
              continue: goesOn === true,
            });
        printObject(io.stdout, flags.output, deployed);
        if ((deployed["deliveries"] as readonly Item[]).some(({ secret }) => secret !== undefined))
          say("the secret proves to the receiver that requests are Muara's; it is not shown again");
      }),
    );
  job
    .command("list")
    .description("what runs")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: readonly Item[] }>("/v1/jobs");
        printObjects(io.stdout, flags.output, LIST, items);
      }),
    );
  addJobExport(job, run);
  addJobLogs(job, run);
  job
    .command("rollback")
    .description("go on by a text that it had; show lists them")
    .argument("<name>")
    .option("--to <number>", "its version; default: the one before")
    .action(
      run(async ({ client, io, flags }, command) => {
        const { to } = command.opts<{ to?: string }>();
        const body = to === undefined ? {} : { to: wholeNumber("--to", to, 1, 1_000_000_000) };
        const path = `/v1/jobs/${encodeURIComponent(command.args[0]!)}/rollback`;
        printObject(io.stdout, flags.output, await client.send<Item>("POST", path, body));
      }),
    );
  job
    .command("preview")
    .description("results that are not final, as they would be now")
    .argument("<name>")
    .option("--limit <number>", "rows, at most", "100")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const limit = wholeNumber("--limit", command.opts<{ limit: string }>().limit, 1, 1_000);
        const path = `/v1/jobs/${encodeURIComponent(command.args[0]!)}/preview?limit=${limit}`;
        const { columns, rows } = await client.get<Preview>(path);
        const fields = columns.map((name) => ({ name }));
        printRows(io.stdout, flags.output, fields, rows);
        say("not final: these rows may change");
      }),
    );
  addOne(job.command("show").description("how far one is"), run, "GET", "");
  addOne(job.command("pause").description("rest until it is resumed"), run, "POST", "/pause");
  addOne(job.command("resume").description("go on where it was"), run, "POST", "/resume");
  job
    .command("remove")
    .description("end it; its tables stay")
    .argument("<name>")
    .action(
      run(async ({ client, say }, command) => {
        const name = command.args[0]!;
        await client.send("DELETE", `/v1/jobs/${encodeURIComponent(name)}`);
        say(`${name} is removed`);
      }),
    );
};

interface Preview {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

/** The name stands in the text, which the server reads. */
async function upgradeTo(client: Client, text: string, more: object): Promise<Item> {
  const { name } = await client.send<Item>("POST", "/v1/jobs/plan", { text });
  return client.send<Item>("PUT", `/v1/jobs/${encodeURIComponent(String(name))}`, { text, ...more });
}

function addOne(
  command: ReturnType<Parameters<AddCommand>[0]["command"]>,
  run: RunAction,
  method: "GET" | "POST",
  tail: string,
): void {
  command.argument("<name>").action(
    run(async ({ client, io, flags }, { args }) => {
      const path = `/v1/jobs/${encodeURIComponent(args[0]!)}${tail}`;
      const one = method === "GET" ? await client.get<Item>(path) : await client.send<Item>("POST", path);
      printObject(io.stdout, flags.output, one);
    }),
  );
}

function startOf(text: string): string | Record<string, number> {
  if (text === "begin" || text === "now") return text;
  return Object.fromEntries(
    text.split(",").map((part) => {
      const match = START.exec(part.trim());
      if (match) return [match[1]!, Number(match[2])];
      throw new CliFailure(
        EXIT.usage,
        `--start: "${part}" is no TABLE@VERSION.`,
        "`muara job deploy --help`",
      );
    }),
  );
}

export function limitOf(text: string): [string, number] {
  const [name, value] = text.split("=");
  if (name && value && /^\d{1,15}$/.test(value)) return [name, Number(value)];
  throw new CliFailure(EXIT.usage, `--limit: "${text}" is no NAME=NUMBER.`, "`muara job deploy --help`");
}
