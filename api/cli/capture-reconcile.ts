/** `muara capture reconcile NAME`: whether source and lake have the same rows, and which they are that differ. */
import type { AddCommand, RunAction, Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObject, printObjects, type Field } from "./output.ts";

interface Sums {
  readonly rows: number;
  readonly checksum: string;
}

interface Difference {
  readonly kind: string;
  readonly key: Readonly<Record<string, string | null>>;
  readonly columns: Readonly<
    Record<string, { readonly source: string | null; readonly lake: string | null }>
  >;
}

interface Table {
  readonly table: string;
  readonly is_equal: boolean;
  readonly source: Sums;
  readonly lake: Sums;
  readonly differing_rows: number;
  readonly is_cut: boolean;
  readonly differences: readonly Difference[];
}

interface Report {
  readonly lsn: string;
  readonly is_equal: boolean;
  readonly tables: readonly Table[];
}

interface Line {
  readonly at: string;
  readonly lsn?: string;
  readonly table?: string;
  readonly problem?: { readonly title: string; readonly detail: string; readonly hint: string };
}

interface Options {
  readonly table: readonly string[];
  readonly repair?: string;
  readonly named: string;
  readonly wait: string;
}

const TABLES: readonly Field[] = [
  { name: "table" },
  { name: "result" },
  { name: "source_rows", isNumber: true },
  { name: "lake_rows", isNumber: true },
  { name: "differing", isNumber: true },
  { name: "source_checksum" },
  { name: "lake_checksum" },
];
const DIFFERENCES: readonly Field[] = [
  { name: "table" },
  { name: "kind" },
  { name: "key" },
  { name: "column" },
  { name: "source" },
  { name: "lake" },
];

export function addReconcile(
  command: ReturnType<Parameters<AddCommand>[0]["command"]>,
  run: RunAction,
): void {
  command
    .description("prove that source and lake have the same rows at one place of the source's log")
    .argument("<name>")
    .option("--table <schema.table>", "one of its tables (repeatable); default: all", collect, [])
    .option("--repair <list>", "list: print keys that differ, to be written again at the source")
    .option("--named <count>", "differences that are named, per table", "20")
    .option("--wait <seconds>", "how long the source, the capture and landing are waited for", "60")
    .action(
      run(async (session, given) => {
        const { table, repair, named, wait } = given.opts<Options>();
        if (repair !== undefined && repair !== "list")
          throw new CliFailure(EXIT.usage, "--repair knows nothing but list.");
        const report = await reconcile(session, given.args[0]!, {
          named: Number(named),
          wait_ms: Math.round(Number(wait) * 1_000),
          ...(table.length === 0 ? {} : { tables: table }),
        });
        print(session, report, repair === "list");
        return report.is_equal ? EXIT.done : EXIT.checkFailed;
      }),
    );
}

async function reconcile({ client, say }: Session, name: string, body: object): Promise<Report> {
  const path = `/v1/captures/${encodeURIComponent(name)}/reconciliations`;
  const response = await client.fetch("POST", path, JSON.stringify(body));
  for await (const line of linesOf(response)) {
    if (line.at === "snapshot") say(`the source is read as of ${line.lsn}; waiting for the capture`);
    if (line.at === "table") say(`comparing ${line.table}`);
    if (line.at === "failed") throw new CliFailure(EXIT.failed, line.problem!.detail, line.problem!.hint);
    if (line.at === "report") return line as unknown as Report;
  }
  throw new CliFailure(EXIT.failed, "The answer broke off.");
}

async function* linesOf(response: Response): AsyncGenerator<Line> {
  let rest = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line) as Line;
  }
}

function print({ io, flags, say }: Session, report: Report, isRepair: boolean): void {
  const differences = report.tables.flatMap((table) =>
    table.differences.flatMap((one) => rowsOf(table, one)),
  );
  if (isRepair) return printObjects(io.stdout, flags.output, DIFFERENCES, differences);
  if (flags.output !== "table") return printObject(io.stdout, flags.output, { ...report });
  printObjects(io.stdout, flags.output, TABLES, report.tables.map(tableRow));
  if (differences.length > 0) printObjects(io.stdout, flags.output, DIFFERENCES, differences);
  if (report.tables.some(({ is_cut: isCut }) => isCut)) say("there may be more differences than are named");
  say(report.is_equal ? `equal as of ${report.lsn}` : `they differ as of ${report.lsn}`);
}

function tableRow(row: Table): Readonly<Record<string, unknown>> {
  const { table, is_equal: isEqual, source, lake, differing_rows: differing } = row;
  return {
    table,
    result: isEqual ? "equal" : "different",
    source_rows: source.rows,
    lake_rows: lake.rows,
    differing,
    source_checksum: source.checksum,
    lake_checksum: lake.checksum,
  };
}

function rowsOf(
  { table }: Table,
  { kind, key, columns }: Difference,
): readonly Readonly<Record<string, unknown>>[] {
  const row = { table, kind, key: JSON.stringify(key), column: "", source: "", lake: "" };
  const differing = Object.entries(columns);
  return differing.length === 0
    ? [row]
    : differing.map(([column, values]) => ({ ...row, column, ...values }));
}

function collect(value: string, all: readonly string[]): readonly string[] {
  return [...all, value];
}
