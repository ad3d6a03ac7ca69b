/** `muara table expire|rollback|sweep`: what takes rows or files away. */
import type { Command } from "commander";
import type { RunAction, Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObject } from "./output.ts";

type Answer = Readonly<Record<string, unknown>>;

export function addTableRemovals(table: Command, run: RunAction): void {
  table
    .command("expire")
    .description("remove rows that were accepted long enough ago, in whole files")
    .argument("<table>")
    .option("--before <time>", "ISO 8601; default: as the event type's retention says")
    .option("--dry-run", "tell what would go, remove nothing")
    .action(
      run((session, command) => {
        const { before, dryRun } = command.opts<{ before?: string; dryRun?: boolean }>();
        const body = {
          ...(before === undefined ? {} : { before: timeOf("--before", before) }),
          ...dry(dryRun),
        };
        return post(session, command.args[0]!, "expire", body, rowsText);
      }),
    );
  table
    .command("rollback")
    .description("a new version without the rows that landed since an older one; cursors and ids stay")
    .argument("<table>")
    .requiredOption("--to <version|time>", "a version, or an ISO 8601 time")
    .option("--dry-run", "tell what would go, remove nothing")
    .action(
      run((session, command) => {
        const { to, dryRun } = command.opts<{ to: string; dryRun?: boolean }>();
        const target = /^\d{1,15}$/.test(to) ? Number(to) : timeOf("--to", to);
        return post(session, command.args[0]!, "rollback", { to: target, ...dry(dryRun) }, rowsText);
      }),
    );
  table
    .command("sweep")
    .description("delete files of the table that no version needs any more")
    .argument("<table>")
    .option("--dry-run", "tell what would go, delete nothing")
    .action(
      run((session, command) => {
        const { dryRun } = command.opts<{ dryRun?: boolean }>();
        return post(session, command.args[0]!, "sweep", dry(dryRun), undefined);
      }),
    );
}

async function post(
  { client, io, flags, say }: Session,
  table: string,
  verb: string,
  body: Answer,
  told: ((answer: Answer) => string) | undefined,
): Promise<void> {
  const answer = await client.send<Answer>("POST", `/v1/tables/${encodeURIComponent(table)}/${verb}`, body);
  printObject(io.stdout, flags.output, answer);
  if (told) say(told(answer));
}

function rowsText(answer: Answer): string {
  const {
    rows,
    version,
    dry_run: isDryRun,
  } = answer as {
    readonly rows: number;
    readonly version: number | null;
    readonly dry_run: boolean;
  };
  if (isDryRun) return `${rows} rows would go`;
  return version === null ? "there was nothing to remove" : `${rows} rows went with version ${version}`;
}

function dry(isDryRun: boolean | undefined): { readonly dry_run?: true } {
  return isDryRun === true ? { dry_run: true } : {};
}

/** In UTC, as the API takes it. @throws CliFailure (usage) */
function timeOf(flag: string, text: string): string {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new CliFailure(EXIT.usage, `${flag} is an ISO 8601 time, not "${text}".`);
  return new Date(ms).toISOString();
}
