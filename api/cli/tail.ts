/**
 * `muara tail TYPE`: the newest events with their fate, and then those that come. Progress is kept per partition by
 * offset: landing keeps each partition's order, while times of several partitions may interleave.
 */
import { Option } from "commander";
import { duration, wholeNumber, type AddCommand, type Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printRows, tableText, type Field } from "./output.ts";
import type { SqlAnswer } from "./sql.ts";

const NEWEST_DEFAULT = 10;
const NEWEST_MAX = 10_000;
const POLL_MS = 1_000;
const MARKS_MAX = 10_000;
/** Envelope columns that have a column of their own here, or say nothing to a reader. */
const NOT_SHOWN = new Set([
  "event_id",
  "event_time",
  "ingest_time",
  "ingest_date",
  "log_partition",
  "log_offset",
  "watermark",
  "flow_id",
  "event_key",
  "extra",
]);

const FIELDS: readonly Field[] = [
  { name: "ingest_time" },
  { name: "fate" },
  { name: "partition", isNumber: true },
  { name: "offset", isNumber: true },
  { name: "event_id" },
  { name: "event" },
];

interface TableShown {
  readonly name: string;
  readonly version: number | null;
  readonly columns: readonly { readonly name: string }[];
}

interface Choice {
  readonly where?: string | undefined;
  readonly fate?: "landed" | "late" | "duplicate" | "dead-letter" | undefined;
}

interface TailOptions extends Choice {
  readonly lines?: string;
  readonly follow?: boolean;
  readonly since?: string;
}

/** Where events of one fate are found. */
interface Origin {
  readonly table: string;
  /** Select list that gives FIELDS from `ingest_time` on, as [origin row] */
  readonly select: string;
  readonly condition: string;
  /** partition → highest offset printed */
  readonly seen: Map<number, number>;
}

export const addTail: AddCommand = (program, run) => {
  program
    .command("tail")
    .description("the newest events of a type with their fate, then those that come")
    .argument("<type>", "event type")
    .option("-n, --lines <number>", `print the newest and exit (default ${NEWEST_DEFAULT}, then follow)`)
    .option("--follow", "go on also with -n")
    .option("--since <duration>", "not older than e.g. 5m")
    .option(
      "--where <condition>",
      "only events that landed and for which this SQL holds, e.g. \"country = 'DE'\"",
    )
    .addOption(
      new Option("--fate <fate>", "only those; late ones have landed, too").choices([
        "landed",
        "late",
        "duplicate",
        "dead-letter",
      ]),
    )
    .action(
      run(async (session, command) => {
        const options = command.opts<TailOptions>();
        const lines =
          options.lines === undefined ? NEWEST_DEFAULT : wholeNumber("-n", options.lines, 1, NEWEST_MAX);
        const sinceMs =
          options.since === undefined
            ? undefined
            : session.io.clock.nowMs() - duration("--since", options.since);
        const follows = options.follow === true || options.lines === undefined;
        const { where, fate } = options;
        if (where !== undefined && fate !== undefined && fate !== "landed" && fate !== "late")
          throw new CliFailure(
            EXIT.usage,
            `--where is about events that landed, --fate ${fate} about others.`,
          );
        return await new Tail(session, command.args[0]!, follows, { where, fate }).run(lines, sinceMs);
      }),
    );
};

class Tail {
  readonly #session: Session;
  readonly #type: string;
  readonly #follows: boolean;
  readonly #choice: Choice;
  #isFirst = true;

  constructor(session: Session, type: string, follows: boolean, choice: Choice) {
    this.#session = session;
    this.#type = type;
    this.#follows = follows;
    this.#choice = choice;
  }

  async run(lines: number, sinceMs: number | undefined): Promise<number> {
    const { io } = this.#session;
    let origins = await this.#origins();
    if (this.#follows) await this.#mark(origins);
    const since =
      sinceMs === undefined ? "" : ` AND ingest_time >= TIMESTAMPTZ '${new Date(sinceMs).toISOString()}'`;
    const known = (origin: Origin): string => (this.#follows ? ` AND NOT ${unseen(origin)}` : "");
    this.#print(origins, await this.#rows(origins, (origin) => since + known(origin), lines));
    if (!this.#follows) return EXIT.done;
    let versions = "";
    while (!io.signal.aborted) {
      await io.clock.sleep(POLL_MS, io.signal);
      if (io.signal.aborted) break;
      const now = await this.#versions(origins);
      if (now === versions) continue;
      versions = now;
      origins = await this.#refreshed(origins);
      this.#print(origins, await this.#rows(origins, (origin) => ` AND ${unseen(origin)}`, NEWEST_MAX));
    }
    return EXIT.interrupted;
  }

  /** How far each partition is, so that what is older is not taken for new: not every one is among the newest lines. */
  async #mark(origins: readonly Origin[]): Promise<void> {
    if (origins.length === 0) return;
    const parts = origins.map(
      ({ table, condition }, i) =>
        `SELECT ${i}, log_partition, max(log_offset) FROM ${quoteName(table)} WHERE ${condition} GROUP BY ALL`,
    );
    const sql = parts.join(" UNION ALL ");
    const answer = await this.#session.client.send<SqlAnswer>("POST", "/v1/sql", { sql, limit: MARKS_MAX });
    for (const [origin, partition, offset] of answer.rows)
      origins[Number(origin)]!.seen.set(Number(partition), Number(offset));
  }

  /** Ledger tables appear with the first duplicate or dead letter; columns come and go. What was seen stays seen. */
  async #refreshed(before: readonly Origin[]): Promise<readonly Origin[]> {
    const seen = new Map(before.map((origin) => [origin.table, origin.seen]));
    return (await this.#origins()).map((origin) => ({
      ...origin,
      seen: seen.get(origin.table) ?? origin.seen,
    }));
  }

  async #origins(): Promise<readonly Origin[]> {
    const { client } = this.#session;
    const table = await client.get<TableShown>(`/v1/tables/${encodeURIComponent(this.#type)}`);
    if (!table.columns.some((column) => column.name === "log_offset"))
      throw new CliFailure(EXIT.usage, `"${table.name}" is no event type.`, 'Use: muara sql "SELECT …"');
    const { items } = await client.get<{ items: { name: string }[] }>("/v1/tables");
    const readable = new Set(items.map((item) => item.name));
    const { where, fate } = this.#choice;
    const isChosen = (own: Choice["fate"]): boolean => fate === own || (fate === undefined && !where);
    const condition = `event_type = ${quoteText(table.name)}`;
    return [
      ...(isChosen("landed") || fate === "late" || where ? [originOfTable(table, this.#choice)] : []),
      ...(readable.has("duplicates") && isChosen("duplicate")
        ? [{ table: "duplicates", select: DUPLICATE, condition, seen: new Map<number, number>() }]
        : []),
      ...(readable.has("dead_letters") && isChosen("dead-letter")
        ? [{ table: "dead_letters", select: DEAD_LETTER, condition, seen: new Map<number, number>() }]
        : []),
    ];
  }

  /** Changes when one of the tables did. A cheap look before the query. */
  async #versions(origins: readonly Origin[]): Promise<string> {
    const { items } = await this.#session.client.get<{ items: { name: string; version: number | null }[] }>(
      "/v1/tables",
    );
    const wanted = new Set([...origins.map((origin) => origin.table), "duplicates", "dead_letters"]);
    return items
      .filter((item) => wanted.has(item.name))
      .map((item) => `${item.name}@${item.version}`)
      .join();
  }

  async #rows(
    origins: readonly Origin[],
    more: (origin: Origin) => string,
    limit: number,
  ): Promise<SqlAnswer["rows"]> {
    if (origins.length === 0) return [];
    const parts = origins.map(
      (origin, i) =>
        `SELECT ${i} AS origin, ${origin.select} FROM ${quoteName(origin.table)} ` +
        `WHERE ${origin.condition}${more(origin)}`,
    );
    const order = "ORDER BY ingest_time DESC, log_partition DESC, log_offset DESC";
    const sql = `${parts.join(" UNION ALL ")} ${order} LIMIT ${limit}`;
    const answer = await this.#session.client.send<SqlAnswer>("POST", "/v1/sql", { sql, limit });
    return answer.rows.toReversed();
  }

  #print(origins: readonly Origin[], found: SqlAnswer["rows"]): void {
    const { io, flags } = this.#session;
    for (const row of found) {
      const { seen } = origins[Number(row[0])]!;
      const partition = Number(row[3]);
      seen.set(partition, Math.max(seen.get(partition) ?? -1, Number(row[4])));
    }
    const rows = found.map((row) => row.slice(1));
    if (flags.output === "json" && !this.#follows) {
      io.stdout.write(rows.length === 0 ? "[]\n" : `[\n${rows.map(jsonLine).join(",\n")}\n]\n`);
    } else if (flags.output === "json" || flags.output === "jsonl") {
      for (const row of rows) io.stdout.write(`${jsonLine(row)}\n`);
    } else if (flags.output === "csv") {
      if (this.#isFirst) printRows(io.stdout, "csv", FIELDS, rows);
      else printRows({ write: (text) => skipHead(io.stdout, text) }, "csv", FIELDS, rows);
    } else if (rows.length > 0 || this.#isFirst) {
      const text = tableText(FIELDS, rows, io.stdout.style);
      io.stdout.write(this.#isFirst ? text : text.slice(text.indexOf("\n") + 1));
    }
    this.#isFirst = false;
  }
}

const PLACE = "log_partition, log_offset, event_id";
const DUPLICATE = `ingest_time, 'duplicate' AS fate, ${PLACE}, 'bytes ' || verdict AS event`;
const DEAD_LETTER = `ingest_time, 'dead letter' AS fate, ${PLACE}, concat_ws(' ', reason, pointer, detail) AS event`;

function originOfTable(table: TableShown, choice: Choice): Origin {
  const shown = table.columns.filter((column) => !NOT_SHOWN.has(column.name));
  const fields = shown.map((column) => `${quoteText(column.name)}, ${quoteName(column.name)}`);
  const event = fields.length === 0 ? "'{}'" : `json_object(${fields.join(", ")})::VARCHAR`;
  const fate = "CASE WHEN event_time < watermark THEN 'landed late' ELSE 'landed' END AS fate";
  return {
    table: table.name,
    select: `ingest_time, ${fate}, ${PLACE}, ${event} AS event`,
    // On lines of its own: it may end in a comment.
    condition: [
      choice.fate === "late" ? "event_time < watermark" : "true",
      ...(choice.where ? [`(\n${choice.where}\n)`] : []),
    ].join(" AND "),
    seen: new Map(),
  };
}

function unseen(origin: Origin): string {
  if (origin.seen.size === 0) return "true";
  const known = [...origin.seen].map(
    ([partition, offset]) => `(log_partition = ${partition} AND log_offset > ${offset})`,
  );
  return `(${known.join(" OR ")} OR log_partition NOT IN (${[...origin.seen.keys()].join(", ")}))`;
}

/** The event's own JSON text stays as it is: parsing would round long numbers. */
function jsonLine(row: readonly unknown[]): string {
  const isEvent = String(row[1]).startsWith("landed");
  const parts = FIELDS.map((field, i) => {
    const value = row[i];
    const text =
      field.name === "event" && isEvent
        ? String(value)
        : JSON.stringify(field.isNumber ? Number(value) : value);
    return `${JSON.stringify(field.name)}:${text}`;
  });
  return `{${parts.join(",")}}`;
}

function skipHead(out: { write(text: string): unknown }, text: string | Uint8Array): void {
  const line = String(text);
  if (!line.startsWith(`${FIELDS[0]!.name},`)) out.write(line);
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
