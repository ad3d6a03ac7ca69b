/** Grants on the command line: `action:kind:name[:columns=a,b][:rows=CONDITION]`, or a file with a JSON list. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { CliFailure, EXIT } from "./exit.ts";

/** What comes after `rows=` is all the condition, colons included. */
const GRANT =
  /^(read|write|admin):(event_type|table|extract|share|token|system|\*):([^:]+)(?::columns=([^:]*))?(?::rows=(.+))?$/s;

export interface GrantOptions {
  readonly grant?: readonly string[];
  readonly grants?: string;
}

export function addGrantOptions(command: Command): Command {
  return command
    .option(
      "--grant <action:kind:name...>",
      "e.g. read:table:* or read:table:orders:columns=id,total:rows=country='DE'",
    )
    .option("--grants <file>", "a file with a JSON list of grants");
}

/** Of both options. @throws CliFailure (usage) */
export async function grantsOf({ grant = [], grants }: GrantOptions): Promise<readonly unknown[]> {
  return [...grant.map(parseGrant), ...(grants === undefined ? [] : await readGrants(grants))];
}

function parseGrant(text: string): Readonly<Record<string, unknown>> {
  const [, action, kind, name, columns, rows] = GRANT.exec(text) ?? [];
  if (action === undefined)
    throw new CliFailure(
      EXIT.usage,
      `"${text}" is no grant.`,
      "Write action:kind:name, for example read:table:*, of a part read:table:orders:columns=a,b:rows=country='DE'",
    );
  return {
    action,
    kind,
    name,
    ...(columns === undefined ? {} : { columns: columns.split(",") }),
    ...(rows === undefined ? {} : { rows }),
  };
}

async function readGrants(file: string): Promise<readonly unknown[]> {
  try {
    const read: unknown = JSON.parse(await readFile(file, "utf8"));
    if (Array.isArray(read)) return read as unknown[];
  } catch (cause) {
    throw new CliFailure(EXIT.usage, `${file} cannot be read as JSON: ${String(cause)}`);
  }
  throw new CliFailure(EXIT.usage, `${file} is no JSON list of grants.`);
}
