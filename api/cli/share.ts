/** `muara share create|list|show|recipient|revoke`: tables for people outside, by the Delta Sharing protocol. */
import { link, unlink, writeFile } from "node:fs/promises";
import process from "node:process";
import { duration, type AddCommand, type Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObject, printObjects, type Field } from "./output.ts";

type Item = Readonly<Record<string, unknown>>;

interface ShownShare extends Item {
  readonly name: string;
  readonly tables: readonly Item[];
  readonly recipients?: readonly Item[] | null;
}

interface Profile extends Item {
  readonly id: string;
  readonly expires_at: string;
  readonly profile: Item;
}

const LIST: readonly Field[] = [
  { name: "name" },
  { name: "tables", isNumber: true },
  { name: "origin" },
  { name: "description" },
];
const TABLES: readonly Field[] = [{ name: "as" }, { name: "table" }, { name: "history" }, { name: "part" }];
/** What comes after `rows=` is all the condition. */
const TABLE = /^([^=:]+)(?:=([^=:]+))?(?::(granted)|(?::columns=([^:]*))?(?::rows=(.+))?)$/s;
const RECIPIENTS: readonly Field[] = [
  { name: "id" },
  { name: "recipient" },
  { name: "created_at" },
  { name: "expires_at" },
];

interface CreateOptions {
  readonly table: readonly string[];
  readonly description: string;
  readonly history?: boolean;
}

export const addShare: AddCommand = (program, run) => {
  const share = program.command("share").description("tables for others, by the Delta Sharing protocol");
  share
    .command("create")
    .description("share tables under one name; nobody can read them until there is a recipient")
    .argument("<share>")
    .requiredOption(
      "--table <table=schema.name...>",
      "tables, each with what recipients call it (=schema.name may be left out); of a part TABLE=SCHEMA.NAME" +
        ":columns=a,b:rows=CONDITION, or :granted for what each recipient's own grants give",
    )
    .option("--history", "old versions and changes may be read, too")
    .option("--description <text>", "what it is for", "")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const name = command.args[0]!;
        const created = await client.send<ShownShare>("POST", "/v1/shares", {
          name,
          ...declaration(command.opts<CreateOptions>()),
        });
        if (flags.output !== "table") return printObject(io.stdout, flags.output, created);
        say(
          `shared ${created.tables.length} tables; let somebody read them: muara share recipient ${name} WHO`,
        );
      }),
    );
  share
    .command("list")
    .description("the shares that the token may read")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: readonly ShownShare[] }>("/v1/shares");
        const shown =
          flags.output === "table" ? items.map((one) => ({ ...one, tables: one.tables.length })) : items;
        printObjects(io.stdout, flags.output, LIST, shown);
      }),
    );
  share
    .command("show")
    .description("tables and recipients of a share")
    .argument("<share>")
    .action(run((session, command) => show(session, command.args[0]!)));
  share
    .command("recipient")
    .alias("profile")
    .description("let somebody read a share: a token that expires, as a profile file")
    .argument("<share>")
    .argument("<who>")
    .option("--expires <duration>", "at most 400d", "90d")
    .option("--to <file>", "profile file to write; it must not exist yet (default WHO.share, - is stdout)")
    .action(
      run((session, command) =>
        addRecipient(session, command.args, command.opts<{ expires: string; to?: string }>()),
      ),
    );
  share
    .command("revoke")
    .description("end a share for everybody, or for one recipient, at once")
    .argument("<share>")
    .option("--recipient <id>", "only this one, as `muara share show` lists it")
    .action(
      run(async ({ client, say }, command) => {
        const name = command.args[0]!;
        const { recipient } = command.opts<{ recipient?: string }>();
        const route = `/v1/shares/${encodeURIComponent(name)}`;
        if (recipient === undefined) await client.send("DELETE", route);
        else await client.send("DELETE", `${route}/recipients/${encodeURIComponent(recipient)}`);
        say(`revoked ${recipient ?? name}`);
      }),
    );
};

function declaration({ table, history, description }: CreateOptions): Item {
  const options = history ? { history } : {};
  const tables = table.map((text) => {
    const [, own, as, granted, columns, rows] = TABLE.exec(text) ?? [];
    if (own === undefined)
      throw new CliFailure(
        EXIT.usage,
        `"${text}" is no TABLE=SCHEMA.NAME.`,
        "Of a part write TABLE=SCHEMA.NAME:columns=a,b:rows=country='DE', or TABLE=SCHEMA.NAME:granted.",
      );
    const declared = {
      ...(as === undefined ? {} : { as }),
      ...options,
      ...(granted === undefined ? {} : { granted: true }),
      ...(columns === undefined ? {} : { columns: columns.split(",") }),
      ...(rows === undefined ? {} : { rows }),
    };
    return [own, declared] as const;
  });
  return { description, tables: Object.fromEntries(tables) };
}

async function show({ client, io, flags }: Session, name: string): Promise<void> {
  const shown = await client.get<ShownShare>(`/v1/shares/${encodeURIComponent(name)}`);
  if (flags.output !== "table") return printObject(io.stdout, flags.output, shown);
  const { tables, recipients, ...rest } = shown;
  printObject(io.stdout, "table", rest);
  io.stdout.write("\n");
  printObjects(io.stdout, "table", TABLES, tables);
  if (!recipients) return;
  io.stdout.write("\n");
  printObjects(io.stdout, "table", RECIPIENTS, recipients);
}

async function addRecipient(
  { client, io, flags, say }: Session,
  args: readonly string[],
  options: { readonly expires: string; readonly to?: string },
): Promise<void> {
  const [share, recipient] = [args[0]!, args[1]!];
  const to = options.to ?? `${recipient.replaceAll(/[^A-Za-z0-9_-]/g, "_")}.share`;
  const expiresMs = io.clock.nowMs() + duration("--expires", options.expires);
  const created = await client.send<Profile>("POST", `/v1/shares/${encodeURIComponent(share)}/recipients`, {
    recipient,
    expires_at: new Date(expiresMs).toISOString(),
  });
  if (flags.output !== "table") return printObject(io.stdout, flags.output, created);
  const text = `${JSON.stringify(created.profile, null, 2)}\n`;
  if (to === "-") io.stdout.write(text);
  else await writeSecret(to, text);
  say(`${to === "-" ? "the profile" : to} is good until ${created.expires_at}; it is not shown again`);
  say(`end it earlier: muara share revoke ${share} --recipient ${created.id}`);
}

/** Whole or not at all, for its owner's eyes, and never in the place of another file. */
async function writeSecret(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(draft, text, { mode: 0o600, flag: "wx" });
    await link(draft, path);
  } catch (error) {
    const { code } = error as { code?: string };
    const isThere = code === "EEXIST";
    throw new CliFailure(
      isThere ? EXIT.conflict : EXIT.failed,
      isThere ? `${path} exists already.` : `cannot write ${path}: ${code}`,
      "Name another with --to; the token that was made for it can be revoked as `muara share show` says.",
    );
  } finally {
    await unlink(draft).catch(() => undefined);
  }
}
