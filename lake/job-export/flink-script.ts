/** A job as statements of Flink SQL: tables over lines of JSON, and one INSERT. */
import { FLINK, quoted } from "./dialect.ts";
import { ENVELOPE, type ExportedJob, type ExportOptions } from "./exported.ts";
import { indented } from "./query-text.ts";

const FORMAT = ["'format' = 'json'", "'json.timestamp-format.standard' = 'ISO-8601'"];

export function flinkScript(job: ExportedJob, { source, sink }: ExportOptions): string {
  const tables = job.inputs.map((input) => sourceTable(input, job.delayMs, source));
  const columns = job.columns.map(({ name, type }) => `${quoted(name)} ${type}`);
  const where = [`'connector' = 'filesystem'`, `'path' = ${textOf(`${sink}/${job.output}`)}`, ...FORMAT];
  const casts = job.columns.map(({ name, type }) => `CAST(${quoted(name)} AS ${type}) AS ${quoted(name)}`);
  // A CTE within a subquery is read as one of the whole there, so the query keeps its WITH by being a view.
  const view = `CREATE TEMPORARY VIEW ${quoted(`${job.name}_rows`)} AS\n${job.query}`;
  return [
    [`-- The job ${job.name} of Muara for Flink 2.3.`, ...job.notes.map((note) => `-- ${note}`)].join("\n"),
    "SET 'execution.runtime-mode' = 'streaming';",
    "SET 'table.local-time-zone' = 'UTC';",
    ...tables,
    tableOf(job.output, columns, where),
    `${view};`,
    `INSERT INTO ${quoted(job.output)}\nSELECT\n${indented(casts.join(",\n"))}\nFROM ${quoted(`${job.name}_rows`)};`,
    "",
  ].join("\n\n");
}

function sourceTable(
  { type, name, fields }: ExportedJob["inputs"][number],
  delayMs: number,
  source: string,
): string {
  const [id, time] = ENVELOPE.map(quoted);
  const columns = [
    "`metadata` ROW<`eid` STRING, `occurred_at` TIMESTAMP_LTZ(3)>",
    ...fields.map((field) => `${quoted(field.name)} ${field.type}`),
    `${id!} AS \`metadata\`.\`eid\``,
    `${time!} AS \`metadata\`.\`occurred_at\``,
    `WATERMARK FOR ${time!} AS ${time!} - ${FLINK.interval(delayMs)}`,
  ];
  const from = source.startsWith("kafka://")
    ? [
        "'connector' = 'kafka'",
        `'properties.bootstrap.servers' = ${textOf(source.slice("kafka://".length))}`,
        `'topic' = ${textOf(type)}`,
        "'scan.startup.mode' = 'earliest-offset'",
      ]
    : ["'connector' = 'filesystem'", `'path' = ${textOf(`${source}/${type}`)}`];
  return tableOf(name, columns, [...from, ...FORMAT]);
}

function tableOf(name: string, columns: readonly string[], options: readonly string[]): string {
  const [has, having] = [columns, options].map((list) => indented(list.join(",\n")));
  return `CREATE TEMPORARY TABLE ${quoted(name)} (\n${has!}\n) WITH (\n${having!}\n);`;
}

function textOf(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
