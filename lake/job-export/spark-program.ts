/** A job as a program of Spark Structured Streaming in Python. */
import { quoted } from "./dialect.ts";
import type { ExportedJob, ExportOptions } from "./exported.ts";
import { indented } from "./query-text.ts";

const TRIPLE = '"""';

export function sparkProgram(job: ExportedJob, { source, sink }: ExportOptions): string {
  const casts = job.columns.map(({ name, type }) => `CAST(${quoted(name)} AS ${type}) AS ${quoted(name)}`);
  return [
    [`# The job ${job.name} of Muara for Spark 4.`, ...job.notes.map((note) => `# ${note}`)].join("\n"),
    [
      "import sys",
      "from pyspark.sql import SparkSession",
      "",
      `spark = SparkSession.builder.appName(${textOf(job.name)}).getOrCreate()`,
      'spark.conf.set("spark.sql.session.timeZone", "UTC")',
    ].join("\n"),
    ...job.inputs.map((input) => sourceOf(input, job.delayMs, source)),
    `spark.sql(${TRIPLE}\n${escaped(job.query)}\n${TRIPLE}).createOrReplaceTempView("muara_rows")`,
    `results = spark.sql(${TRIPLE}\nSELECT\n${escaped(indented(casts.join(",\n")))}\nFROM muara_rows\n${TRIPLE})`,
    [
      "# A batch that is done again writes its own folder again.",
      "def write(rows, batch):",
      `    rows.write.mode("overwrite").json(${textOf(`${sink}/${job.output}`)} + f"/batch={batch}")`,
    ].join("\n"),
    [
      "# With --once it takes what is there, and ends.",
      'trigger = {"availableNow": True} if "--once" in sys.argv else {"processingTime": "1 second"}',
      "(",
      '    results.writeStream.outputMode("append")',
      `    .option("checkpointLocation", ${textOf(`${sink}/${job.output}.checkpoint`)})`,
      "    .foreachBatch(write)",
      "    .trigger(**trigger)",
      "    .start()",
      "    .awaitTermination()",
      ")",
    ].join("\n"),
    "",
  ].join("\n\n");
}

function sourceOf(
  { type, name, fields }: ExportedJob["inputs"][number],
  delayMs: number,
  source: string,
): string {
  const schema = [
    "metadata STRUCT<eid: STRING, occurred_at: TIMESTAMP>",
    ...fields.map((field) => `${quoted(field.name)} ${field.type}`),
  ].join(", ");
  const read = source.startsWith("kafka://")
    ? [
        'spark.readStream.format("kafka")',
        `.option("kafka.bootstrap.servers", ${textOf(source.slice("kafka://".length))})`,
        `.option("subscribe", ${textOf(type)}).option("startingOffsets", "earliest").load()`,
        `.selectExpr(${textOf(`from_json(CAST(value AS STRING), '${schema}') AS line`)}).select("line.*")`,
      ]
    : [`spark.readStream.schema(${textOf(schema)}).json(${textOf(`${source}/${type}`)})`];
  const columns = ["metadata.eid AS event_id", "metadata.occurred_at AS event_time"];
  const chain = [
    ...read,
    `.selectExpr(${[...columns, ...fields.map((field) => quoted(field.name))].map(textOf).join(", ")})`,
    `.withWatermark("event_time", "${delayMs} milliseconds")`,
    `.createOrReplaceTempView(${textOf(name)})`,
  ];
  return `(\n${indentedBy4(chain)}\n)`;
}

function indentedBy4(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join("\n");
}

/** JSON's texts are Python's. */
function textOf(text: string): string {
  return JSON.stringify(text);
}

function escaped(sql: string): string {
  return sql.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
}
