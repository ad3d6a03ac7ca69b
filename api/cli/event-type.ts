/** `muara event-type list|show|versions|set`: what is declared, and declaring it anew. */
import { inputChunks, type AddCommand, type Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObject, printObjects, type Field } from "./output.ts";

type Item = Readonly<Record<string, unknown>>;

interface Shown extends Item {
  readonly name: string;
  readonly schema: { readonly schema: string; readonly version?: string };
}

/** The answer to a dry run. */
interface Judged extends Item {
  readonly from: string;
  readonly to: string;
  readonly verdict: "unchanged" | "compatible" | "incompatible";
  readonly changes: readonly Item[];
  readonly columns: { readonly added: readonly string[]; readonly widened: readonly string[] };
}

const LIST: readonly Field[] = [
  { name: "name" },
  { name: "category" },
  { name: "version" },
  { name: "compatibility_mode" },
  { name: "owning_application" },
];
const VERSIONS: readonly Field[] = [{ name: "version" }, { name: "created_at" }, { name: "schema" }];
const CHANGES: readonly Field[] = [
  { name: "field" },
  { name: "keyword" },
  { name: "old" },
  { name: "new" },
  { name: "kind" },
  { name: "reason" },
];

export const addEventType: AddCommand = (program, run) => {
  const type = program.command("event-type").description("declared event types and their schema versions");
  type
    .command("list")
    .description("event types that the token may read or write")
    .action(
      run(async ({ client, io, flags }) => {
        const types = await client.get<readonly Shown[]>("/event-types");
        const rows = types.map((one) => ({ ...one, version: one.schema.version }));
        printObjects(io.stdout, flags.output, LIST, flags.output === "table" ? rows : types);
      }),
    );
  type
    .command("show")
    .description("an event type as it is declared, to be changed and set again")
    .argument("<type>")
    .action(
      run(async ({ client, io, flags }, command) => {
        const shown = await client.get<Shown>(routeOf(command.args[0]!));
        if (flags.output !== "table") return printObject(io.stdout, flags.output, shown);
        const { schema, ...rest } = shown;
        printObject(io.stdout, "table", { ...rest, schema_version: schema.version, schema: schema.schema });
      }),
    );
  type
    .command("versions")
    .description("all schemas that an event type had, newest first")
    .argument("<type>")
    .action(
      run(async ({ client, io, flags }, command) => {
        const { items } = await client.get<{ items: readonly Item[] }>(
          `${routeOf(command.args[0]!)}/schemas`,
        );
        printObjects(io.stdout, flags.output, VERSIONS, items);
      }),
    );
  type
    .command("set")
    .description("declare an event type, or declare it anew; what a file leaves out stays")
    .argument("<file>", "JSON as for POST /event-types; schema.schema may be an object; - is stdin")
    .option("--dry-run", "only say what would change, and whether it may")
    .action(run((session, command) => set(session, command.args[0]!, command.opts<{ dryRun?: boolean }>())));
};

async function set(
  session: Session,
  file: string,
  { dryRun }: { readonly dryRun?: boolean },
): Promise<number> {
  const { client, io, flags, say } = session;
  const declared = await declarationOf(session, file);
  const body = JSON.stringify(declared);
  const route = routeOf(declared.name);
  const answer = await client.fetch("PUT", dryRun ? `${route}?dry_run=true` : route, body, {}, [404]);
  if (answer.status === 404) {
    await answer.body?.cancel();
    if (!dryRun) await client.send("POST", "/event-types", declared);
    say(`${declared.name} ${dryRun ? "would be" : "is"} declared for the first time`);
    return EXIT.done;
  }
  if (!dryRun) {
    const { schema } = (await answer.json()) as Shown;
    say(`${declared.name} has schema version ${schema.version}`);
    return EXIT.done;
  }
  const judged = (await answer.json()) as Judged;
  const { verdict, from, to, columns, changes } = judged;
  if (flags.output === "table") printObjects(io.stdout, "table", CHANGES, changes);
  else printObject(io.stdout, flags.output, judged);
  say(`${verdict}${verdict === "compatible" ? `: schema version ${from} becomes ${to}` : ""}`);
  if (columns.added.length > 0) say(`the table gets ${columns.added.join(", ")}`);
  if (columns.widened.length > 0)
    say(`all files of the table are written anew for ${columns.widened.join(", ")}`);
  return verdict === "incompatible" ? EXIT.checkFailed : EXIT.done;
}

/** @throws CliFailure (usage) for what is no declaration */
async function declarationOf({ io }: Session, file: string): Promise<Item & { readonly name: string }> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of inputChunks(io, file)) chunks.push(chunk);
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(Buffer.concat(chunks)));
  } catch {
    throw new CliFailure(EXIT.usage, `${file} is not JSON.`);
  }
  if (!isItem(parsed) || typeof parsed["name"] !== "string")
    throw new CliFailure(EXIT.usage, `${file} is no declaration: it has no "name".`);
  const { schema } = parsed;
  const text = isItem(schema) && isItem(schema["schema"]) ? JSON.stringify(schema["schema"]) : undefined;
  const declared = text === undefined ? parsed : { ...parsed, schema: { ...(schema as Item), schema: text } };
  return declared as Item & { readonly name: string };
}

function isItem(value: unknown): value is Item {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function routeOf(name: string): string {
  return `/event-types/${encodeURIComponent(name)}`;
}
