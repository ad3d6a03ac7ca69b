/** Executes a page from its top to its end, as a reader would who copies block after block. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DESTRUCTIVE } from "../../api/cli/confirm.ts";
import { pythonEnvironment } from "../services/python.ts";
import { type Block, blocksOf, commandsOf, isExecuted, spelledOut } from "./blocks.ts";
import type { Place, Ran } from "./place.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Goes on until it is stopped. */
const SERVES = /(^|&& |\s)((?:npx )?muara (?:dev|start|demo)\b|npm run (?:demo|dev|start)\b)/;
/** Follows; a reader stops it. */
const FOLLOWS = /\bmuara tail\b/;

export interface PageOptions {
  /** Before a block; `index` counts those of the page that are executed. */
  readonly before?: (place: Place, block: Block, index: number) => Promise<void>;
  /** JSON blocks that the page's commands name as files, in their order. */
  readonly files?: readonly string[];
  /** Commands that end with another code than 0, as the page says. */
  readonly ends?: readonly (readonly [RegExp, number])[];
  /** What becomes of the page's SQL. Default: it is asked. */
  readonly sql?: (place: Place, text: string, index: number) => Promise<void>;
  /** The page starts its servers itself, or needs none. */
  readonly isAlone?: boolean;
}

/** @returns how many commands were executed. @throws with the command, its line and what it printed */
export async function runPage(page: string, place: Place, options: PageOptions = {}): Promise<number> {
  const blocks = blocksOf(await readFile(join(ROOT, page), "utf8"));
  const files = blocks.filter(({ language }) => language === "json");
  for (const [index, name] of (options.files ?? []).entries()) await place.write(name, files[index]!.text);
  let count = 0;
  for (const [index, block] of blocks.filter(isExecuted).entries()) {
    if (options.isAlone !== true && !(await place.isServing()))
      await must(place, "serve npx muara dev", page, block);
    await options.before?.(place, block, index);
    count += await runBlock(page, place, block, options, index);
  }
  return count;
}

async function runBlock(
  page: string,
  place: Place,
  block: Block,
  options: PageOptions,
  index: number,
): Promise<number> {
  if (block.language === "python") return await runPython(page, place, block);
  if (block.language === "sql") {
    const text = place.said(block.text);
    await (options.sql ?? ask)(place, text, index);
    return 1;
  }
  const commands = commandsOf(block).flatMap(spelledOut);
  const isShell = block.language === "sh";
  const script = commands.map((command) => place.said(inScript(command, options)));
  // Variables of one line are used in the next.
  for (const part of isShell ? [script.join("\n")] : script) await must(place, part, page, block);
  return commands.length;
}

/** A command as it stands in a script: servers in the background, followers ended, expected ends accepted. */
function inScript(command: string, options: PageOptions): string {
  const bare = agreed(command.replace(/\s+# .*$/, ""));
  if (SERVES.test(bare)) return bare.replace(SERVES, "$1serve $2");
  if (FOLLOWS.test(bare)) return `{ timeout -s INT 15 ${bare} || [ $? -eq 124 -o $? -eq 130 ]; }`;
  const [, code] = (options.ends ?? []).find(([pattern]) => pattern.test(bare)) ?? [];
  return code === undefined ? bare : `{ code=0; ${bare} || code=$?; [ "$code" -eq ${code} ]; }`;
}

/** At a terminal a reader is asked before something is gone for good, and says yes. */
function agreed(command: string): string {
  const said = /\bmuara (.+)$/.exec(command)?.[1] ?? "";
  const asks = Object.keys(DESTRUCTIVE).some((path) => said === path || said.startsWith(`${path} `));
  return asks && !/--(yes|dry-run)\b/.test(said)
    ? command.replace(/\bmuara \w+( \w+)?/, "$& --yes")
    : command;
}

async function must(place: Place, script: string, page: string, block: Block): Promise<Ran> {
  const ran = await place.run(script);
  if (ran.code !== 0)
    throw new Error(
      `${page}:${block.line} ended with ${ran.code}:\n${script}\n${ran.out.slice(-2_000)}\n${ran.err.slice(-4_000)}`,
    );
  return ran;
}

async function runPython(page: string, place: Place, block: Block): Promise<number> {
  const { python } = await pythonEnvironment(page.includes("notebook") ? "notebooks" : "lake");
  await place.write(
    "block.py",
    `${place.said(block.text)}\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n`,
  );
  const folder = page.startsWith("notebooks/") || block.text.includes("import muara") ? "notebooks" : ".";
  await must(place, `cd ${folder} && PYTHONPATH=. ${python} "$OLDPWD/block.py"`, page, block);
  return 1;
}

async function ask(place: Place, text: string): Promise<void> {
  await place.rows(text);
}
