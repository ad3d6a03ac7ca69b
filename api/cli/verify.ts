/** `muara verify`: everything that can be proven about a lake, in one go; exit code 6 where something does not hold. */
import type { AddCommand, Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObjects, type Field } from "./output.ts";

const FIELDS: readonly Field[] = [
  { name: "what" },
  { name: "holds" },
  { name: "checks", isNumber: true },
  { name: "faults", isNumber: true },
  { name: "first_fault" },
];

interface Found extends Readonly<Record<string, unknown>> {
  readonly what: string;
  readonly holds: boolean;
}

export const addVerify: AddCommand = (program, run) => {
  program
    .command("verify")
    .description(
      "prove tables (all, or those named) and the books; exit code 6 where something does not hold",
    )
    .argument("[table...]")
    .option("--deep", "read every byte of every file")
    .action(
      run(async (session, command) => {
        const { io, flags, say } = session;
        const isDeep = command.opts<{ deep?: boolean }>().deep === true;
        const names = command.args.length > 0 ? command.args : await tablesOf(session);
        const found: Found[] = [];
        for (const name of names) found.push(await table(session, name, isDeep));
        if (command.args.length === 0) found.push(await books(session));
        printObjects(io.stdout, flags.output, FIELDS, found);
        const broken = found.filter(({ holds }) => !holds).length;
        say(broken === 0 ? `${found.length} hold` : `${broken} of ${found.length} do not hold`);
        return broken === 0 ? EXIT.done : EXIT.checkFailed;
      }),
    );
};

async function tablesOf({ client }: Session): Promise<readonly string[]> {
  const { items } = await client.get<{ items: { name: string; version: number | null }[] }>("/v1/tables");
  return items.filter(({ version }) => version !== null).map(({ name }) => name);
}

async function table({ client }: Session, name: string, isDeep: boolean): Promise<Found> {
  const answer = await client.get<{
    holds: boolean;
    checks: readonly unknown[];
    faults: readonly { readonly problem: string }[];
    fault_count: number;
  }>(`/v1/tables/${encodeURIComponent(name)}/verify?deep=${String(isDeep)}`);
  return {
    what: `table ${name}`,
    holds: answer.holds,
    checks: answer.checks.length,
    faults: answer.fault_count,
    first_fault: answer.faults[0]?.problem ?? null,
  };
}

/** They may be ahead of what a commit under way has written, so only a sum that stays wrong is a fault. */
async function books({ client }: Session): Promise<Found> {
  try {
    const { items } = await client.get<{ items: readonly Readonly<Record<string, unknown>>[] }>("/v1/books");
    const wrong = items.filter((item) => item["balanced"] === false);
    const first = wrong[0];
    return {
      what: "books",
      holds: wrong.length === 0,
      checks: items.length,
      faults: wrong.length,
      first_fault: first ? `${String(first["event_type"])} does not add up` : null,
    };
  } catch (error) {
    if (!(error instanceof CliFailure) || error.exitCode !== EXIT.notAllowed) throw error;
    return { what: "books", holds: true, checks: 0, faults: 0, first_fault: "not read: not allowed" };
  }
}
