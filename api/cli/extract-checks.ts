/** `muara extract verify|reconcile`: whether what was fetched, or loaded, is what was published. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { wholeNumber, type AddCommand, type Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { sha256Of, type KeptFile } from "./extract-file.ts";
import { printObject, printObjects, type Field } from "./output.ts";

type Item = Readonly<Record<string, unknown>>;

const FAULTS: readonly Field[] = [{ name: "file" }, { name: "problem" }];
const DIFFERENCES: readonly Field[] = [
  { name: "partition" },
  { name: "what" },
  { name: "expected" },
  { name: "reported" },
];
const TOTAL = /^([^=]+)=(.+)$/;

interface Current {
  readonly version: number;
  readonly windows: Readonly<Record<string, { readonly files: readonly KeptFile[] }>>;
}

interface ReconcileOptions {
  readonly of: string;
  readonly rows?: string;
  readonly total: readonly string[];
  readonly file?: string;
}

export const addExtractChecks: AddCommand = (extract, run) => {
  extract
    .command("verify")
    .description("whether a folder of `extract get` has every byte of its version; exit code 6 where not")
    .argument("<feed>")
    .option("--to <dir>", "the folder, as for get", ".")
    .action(run((session, command) => verify(session, command.args[0]!, command.opts<{ to: string }>().to)));
  extract
    .command("reconcile")
    .description("say what the warehouse has of a version; exit code 6 where it is not what was published")
    .argument("<feed>")
    .requiredOption("--of <version>", "the version that was loaded")
    .option("--rows <number>", "rows of that version in the warehouse")
    .option("--total <name=value>", "a total of the whole version (repeatable)", collect, [])
    .option("--file <file>", "the receipt as JSON, with partitions: docs/EXTRACTS.md")
    .action(
      run((session, command) => reconcile(session, command.args[0]!, command.opts<ReconcileOptions>())),
    );
};

async function verify({ io, flags, say }: Session, feed: string, to: string): Promise<number> {
  const folder = path.join(to, feed);
  let current: Current;
  try {
    current = JSON.parse(await readFile(path.join(folder, "_current.json"), "utf8")) as Current;
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT")
      throw new CliFailure(
        EXIT.notFound,
        `${folder} has no extract.`,
        `Get it: muara extract get ${feed} --to ${to}`,
      );
    throw new CliFailure(EXIT.checkFailed, `${folder}/_current.json cannot be read: ${String(error)}`);
  }
  const files = Object.values(current.windows).flatMap((window) => window.files);
  const faults: Item[] = [];
  for (const file of files) {
    const problem = await problemOf(path.join(to, ...file.name.split("/")), file);
    if (problem !== undefined) faults.push({ file: file.name, problem });
  }
  printObjects(io.stdout, flags.output, FAULTS, faults);
  const found = faults.length === 0 ? "all as published" : `${faults.length} not as published`;
  say(`version ${current.version}: ${files.length} files, ${found}`);
  return faults.length === 0 ? EXIT.done : EXIT.checkFailed;
}

async function problemOf(target: string, file: KeptFile): Promise<string | undefined> {
  try {
    return (await sha256Of(target)) === file.sha256 ? undefined : "other bytes (SHA-256)";
  } catch (error) {
    return (error as { code?: string }).code === "ENOENT" ? "missing" : String(error);
  }
}

async function reconcile(session: Session, feed: string, options: ReconcileOptions): Promise<number> {
  const { client, io, flags, say } = session;
  const version = wholeNumber("--of", options.of, 1, Number.MAX_SAFE_INTEGER);
  const body = await receiptOf(options);
  const route = `/v1/extracts/${encodeURIComponent(feed)}/versions/${version}/receipts`;
  const response = await client.fetch("POST", route, JSON.stringify(body), {}, [409]);
  const answer = (await client.json(response)) as Item & Readonly<Record<"detail" | "hint", string>>;
  if (response.status !== 409) {
    printObject(io.stdout, flags.output, answer);
    return EXIT.done;
  }
  if (!Array.isArray(answer["differences"])) throw new CliFailure(EXIT.conflict, answer.detail, answer.hint);
  printObjects(io.stdout, flags.output, DIFFERENCES, answer["differences"] as readonly Item[]);
  say(answer.detail);
  return EXIT.checkFailed;
}

async function receiptOf({ rows, total, file }: ReconcileOptions): Promise<unknown> {
  if ((rows === undefined) === (file === undefined))
    throw new CliFailure(EXIT.usage, "give either --rows NUMBER or --file FILE.");
  if (file !== undefined) {
    try {
      return JSON.parse(await readFile(file, "utf8")) as unknown;
    } catch (error) {
      throw new CliFailure(EXIT.usage, `${file} cannot be read as JSON: ${String(error)}`);
    }
  }
  const totals = total.map((text) => {
    const match = TOTAL.exec(text);
    if (match) return [match[1]!, match[2]!];
    throw new CliFailure(EXIT.usage, `--total is NAME=VALUE, not "${text}".`);
  });
  return {
    rows: wholeNumber("--rows", rows!, 0, Number.MAX_SAFE_INTEGER),
    ...(totals.length > 0 ? { totals: Object.fromEntries(totals) as Item } : {}),
  };
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
