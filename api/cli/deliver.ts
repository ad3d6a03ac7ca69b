/** `muara deliver create|list|show|pause|resume|kibana|dead-letters|delete`: rows of tables, sent outside. */
import { wholeNumber, type AddCommand } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObject, printObjects, type Field } from "./output.ts";
import { addOne } from "./show-one.ts";

type Item = Readonly<Record<string, unknown>>;

const LIST: readonly Field[] = [
  { name: "name" },
  { name: "table" },
  { name: "to" },
  { name: "state" },
  { name: "delivered", isNumber: true },
  { name: "dead", isNumber: true },
  { name: "behind_versions", isNumber: true },
  { name: "lag_ms", isNumber: true },
  { name: "problem" },
];
const LETTERS: readonly Field[] = [
  { name: "sequence", isNumber: true },
  { name: "at" },
  { name: "reason" },
  { name: "row" },
];
const TARGET = /^([^/]+)\/(.+)$/;

interface CreateOptions {
  readonly to?: string;
  readonly kafka?: string;
  readonly postgres?: string;
  readonly elasticsearch?: string;
  readonly log?: string;
  readonly each?: string;
  readonly keepDays?: string;
  readonly into?: string;
  readonly mode?: string;
  readonly key?: string;
  readonly from: string;
  readonly description: string;
  readonly batchRows?: string;
}

export const addDeliver: AddCommand = (program, run) => {
  const deliver = program
    .command("deliver")
    .description(
      "rows of tables, sent to webhooks, to Kafka, into PostgreSQL, Elasticsearch and event types",
    );
  deliver
    .command("create")
    .alias("add")
    .description("send the rows of a table; takes admin there")
    .argument("<name>")
    .argument("<table>")
    .option("--to <address>", "where signed POST requests go")
    .option("--kafka <target/topic>", "a cluster that deliver.kafka names, and a topic there")
    .option("--postgres <target>", "a database that postgres names")
    .option("--into <schema.table>", "there: made and given columns as needed")
    .option("--mode <append|upsert|state>", "there: each row once; last of a key; rows of a captured table")
    .option(
      "--elasticsearch <target/index>",
      "a search engine that deliver.elasticsearch names, and an index",
    )
    .option("--each <day|month>", "there: an index for each, by event_time")
    .option("--keep-days <number>", "there: indices that ended longer ago are deleted")
    .option("--log <event type>", "of this Muara: each row is an event")
    .option("--key <columns>", "columns of the key, with commas between")
    .option("--from <begin|now>", "rows that are there as well, or only those to come", "now")
    .option("--batch-rows <number>", "rows in one request, at most")
    .option("--description <text>", "what it is for", "")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const [name, table] = [command.args[0]!, command.args[1]!];
        const options = command.opts<CreateOptions>();
        const created = await client.send<Item>("POST", "/v1/deliveries", {
          name,
          table,
          from: options.from,
          description: options.description,
          ...targetOf(options),
          ...(options.batchRows === undefined
            ? {}
            : { batch_rows: wholeNumber("--batch-rows", options.batchRows, 1, 10_000) }),
        });
        printObject(io.stdout, flags.output, created);
        if (created["secret"] !== undefined)
          say("the secret proves to the receiver that requests are Muara's; it is not shown again");
      }),
    );
  deliver
    .command("list")
    .description("what is delivered")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: readonly Item[] }>("/v1/deliveries");
        const rows = flags.output === "table" ? items.map((one) => ({ ...one, to: toOf(one) })) : items;
        printObjects(io.stdout, flags.output, LIST, rows);
      }),
    );
  addOne(deliver.command("show").description("how far one is"), run, "/v1/deliveries", "GET");
  addOne(
    deliver.command("pause").description("rest until it is resumed"),
    run,
    "/v1/deliveries",
    "POST",
    "/pause",
  );
  addOne(
    deliver.command("resume").description("go on where it was"),
    run,
    "/v1/deliveries",
    "POST",
    "/resume",
  );
  addKibana(deliver, run);
  deliver
    .command("dead-letters")
    .description("the newest rows that the receiver has refused")
    .argument("<name>")
    .option("--limit <number>", "how many, at most", "100")
    .action(
      run(async ({ client, io, flags }, command) => {
        const limit = wholeNumber("--limit", command.opts<{ limit: string }>().limit, 1, 1_000);
        const path = `/v1/deliveries/${encodeURIComponent(command.args[0]!)}/dead-letters?limit=${limit}`;
        const { items } = await client.get<{ items: readonly Item[] }>(path);
        const isTable = flags.output === "table";
        const rows = isTable ? items.map((one) => ({ ...one, row: JSON.stringify(one["row"]) })) : items;
        printObjects(io.stdout, flags.output, LETTERS, rows);
      }),
    );
  deliver
    .command("delete")
    .description("end it; what was refused stays in the lake's folder _deliveries")
    .argument("<name>")
    .action(
      run(async ({ client, say }, command) => {
        const name = command.args[0]!;
        await client.send("DELETE", `/v1/deliveries/${encodeURIComponent(name)}`);
        say(`${name} is deleted`);
      }),
    );
};

const addKibana: AddCommand = (deliver, run) => {
  deliver
    .command("kibana")
    .description(
      "saved objects for Kibana's import: a data view, panels, a dashboard (not tried in a Kibana)",
    )
    .argument("<name>")
    .action(
      run(async ({ client, io }, command) => {
        const path = `/v1/deliveries/${encodeURIComponent(command.args[0]!)}/kibana`;
        io.stdout.write(await (await client.fetch("GET", path)).text());
      }),
    );
};

function targetOf(options: CreateOptions): Item {
  const { to, kafka, postgres, elasticsearch, log, into, mode, key } = options;
  const match = TARGET.exec(kafka ?? elasticsearch ?? "");
  const given = [to, kafka, postgres, elasticsearch, log].filter((one) => one !== undefined).length;
  const columns = key === undefined ? {} : { key: key.split(",").map((name) => name.trim()) };
  if (given === 1 && to !== undefined) return { url: to };
  if (given === 1 && log !== undefined) return { log: { event_type: log } };
  if (given === 1 && match && kafka !== undefined) return { kafka: { target: match[1], topic: match[2] } };
  if (given === 1 && match)
    return { elasticsearch: { target: match[1], index: match[2], ...columns, ...timeOf(options) } };
  if (given === 1 && postgres !== undefined && into !== undefined && mode !== undefined)
    return {
      postgres: {
        target: postgres,
        table: into,
        mode,
        ...columns,
      },
    };
  throw new CliFailure(
    EXIT.usage,
    "Give one of --to ADDRESS, --kafka TARGET/TOPIC, --elasticsearch TARGET/INDEX, --log EVENT_TYPE and " +
      "--postgres TARGET --into SCHEMA.TABLE --mode MODE.",
    "`muara deliver create --help`",
  );
}

function timeOf({ each, keepDays }: CreateOptions): Item {
  if (each === undefined) return {};
  const days =
    keepDays === undefined ? {} : { retention_days: wholeNumber("--keep-days", keepDays, 1, 36_500) };
  return { time: { unit: each, ...days } };
}

function toOf({ url, kafka, postgres, elasticsearch, log }: Item): string {
  if (typeof url === "string") return url;
  if (log !== undefined) return `log/${(log as Item)["event_type"] as string}`;
  const { target, topic, table, index } = (kafka ?? postgres ?? elasticsearch ?? {}) as Readonly<
    Record<string, string>
  >;
  return `${target}/${topic ?? table ?? index}`;
}
