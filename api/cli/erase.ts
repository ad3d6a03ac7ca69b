/** `muara erase`: everything that the lake has of a subject. */
import type { AddCommand } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObject, printObjects, type Field } from "./output.ts";

const TABLES: readonly Field[] = [
  { name: "table" },
  { name: "version", isNumber: true },
  { name: "rows", isNumber: true },
  { name: "current_rows", isNumber: true },
  { name: "ledger_rows", isNumber: true },
  { name: "side_files", isNumber: true },
  { name: "deleted", isNumber: true },
  { name: "scrubbed", isNumber: true },
  { name: "log_records", isNumber: true },
  { name: "in_flight", isNumber: true },
];

const DELIVERIES: readonly Field[] = [
  { name: "delivery" },
  { name: "state" },
  { name: "rows", isNumber: true },
];

interface Answer extends Readonly<Record<string, unknown>> {
  readonly complete: boolean;
  readonly dry_run: boolean;
  readonly log_until: string | null;
  readonly tables: readonly Record<string, unknown>[];
  readonly deliveries: readonly { readonly state: string }[];
}

export const addErase: AddCommand = (program, run) => {
  program
    .command("erase")
    .description("remove all events of some types in which a field has a value, from every version")
    .argument("<type...>")
    .requiredOption("--where <column=value>", "e.g. customer.email=someone@example.com")
    .requiredOption("--reason <text>", "kept in the record of the erasure")
    .option("--json", "the value is JSON: a number, true, false or a text in quotes")
    .option("--dry-run", "tell what would go, remove nothing")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const options = command.opts<{ where: string; reason: string; json?: boolean; dryRun?: boolean }>();
        const at = options.where.indexOf("=");
        if (at < 1) throw new CliFailure(EXIT.usage, "--where is COLUMN=VALUE.");
        const where = {
          column: options.where.slice(0, at),
          value: valueOf(options.where.slice(at + 1), options.json),
        };
        const body = {
          event_types: command.args,
          where,
          reason: options.reason,
          dry_run: options.dryRun === true,
        };
        const answer = await client.send<Answer>("POST", "/v1/erasures", body);
        if (flags.output === "table") {
          const { tables, deliveries, ...rest } = answer;
          printObject(io.stdout, "table", rest);
          io.stdout.write("\n");
          printObjects(io.stdout, "table", TABLES, tables);
          if (deliveries.length > 0) printObjects(io.stdout, "table", DELIVERIES, deliveries);
        } else printObject(io.stdout, flags.output, answer);
        if (answer.dry_run) return EXIT.done;
        if (answer.log_until !== null)
          say(`the log's own retention removes the events by ${answer.log_until}`);
        if (answer.tables.some(({ in_flight: count }) => Number(count) > 0))
          say("events of the subject have not landed yet: repeat the erasure when they have");
        else if (answer.deliveries.some(({ state }) => state === "waiting"))
          say("deliveries erase it where they deliver to: GET /v1/erasures tells when they have");
        else if (!answer.complete)
          say("files wait that may be uploads under way: repeat the erasure tomorrow");
        return answer.complete ? EXIT.done : EXIT.checkFailed;
      }),
    );
};

function valueOf(text: string, isJson: boolean | undefined): unknown {
  if (isJson !== true) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CliFailure(EXIT.usage, "--where: the value is not JSON.");
  }
}
