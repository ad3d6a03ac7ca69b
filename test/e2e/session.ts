/**
 * Sessions of the documentation, run as they stand: `$ npx muara …` lines of console blocks, and what they print below.
 * A command below which nothing stands is only run. With UPDATE_SESSIONS=1 the page is written anew, to be read.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { expect } from "vitest";
import type { CommandResult } from "../api/run-command.ts";

const PROMPT = "$ npx muara ";
/** What looks at results, which must be there first. */
const LOOKS = /^(sql|case|process (show|funnel))\b/;
const FILE = /^[\w-]+\.(json|jsonl|sql)$/;

export interface SessionOptions {
  readonly run: (argv: readonly string[]) => Promise<CommandResult>;
  /** Before a command that looks at results. */
  readonly settled: () => Promise<void>;
  /** Files that commands name lie there. */
  readonly folder: string;
}

interface Step {
  /** Everything before the answer, the command's line included. */
  readonly text: readonly string[];
  /** undefined: the end of the page. */
  readonly command: string | undefined;
  readonly answer: readonly string[];
}

/** @returns how many answers were compared */
export async function runSession(page: string, options: SessionOptions): Promise<number> {
  const written: string[] = [];
  let compared = 0;
  for (const { text, command, answer } of stepsOf(await readFile(page, "utf8"))) {
    written.push(...text);
    if (command === undefined) continue;
    if (LOOKS.test(command)) await options.settled();
    const argv = wordsOf(command).map((word) => (FILE.test(word) ? join(options.folder, word) : word));
    const { code, out, err } = await options.run(argv);
    expect([command, code, code === 0 ? "" : err]).toEqual([command, 0, ""]);
    const shown = out
      .trimEnd()
      .split("\n")
      .map((line) => line.trimEnd());
    const isShown = answer.length > 0;
    written.push(...(isShown ? shown : []));
    if (!isShown) continue;
    compared += 1;
    if (process.env["UPDATE_SESSIONS"] !== "1") expect([command, ...answer]).toEqual([command, ...shown]);
  }
  if (process.env["UPDATE_SESSIONS"] === "1") await writeFile(page, written.join("\n"));
  return compared;
}

function stepsOf(page: string): readonly Step[] {
  const steps: { text: string[]; command: string | undefined; answer: string[] }[] = [];
  let current: (typeof steps)[number] = { text: [], command: undefined, answer: [] };
  let isConsole = false;
  for (const line of page.split("\n")) {
    const isFence = line.startsWith("```");
    if (isFence) isConsole = line === "```console";
    if (current.command !== undefined && (isFence || line.startsWith("$ "))) {
      steps.push(current);
      current = { text: [], command: undefined, answer: [] };
    }
    (current.command === undefined ? current.text : current.answer).push(line);
    if (isConsole && line.startsWith(PROMPT)) current.command = line.slice(PROMPT.length);
  }
  return [...steps, current];
}

/** As a shell splits it: quotes of both kinds, none within the other. */
function wordsOf(command: string): readonly string[] {
  return [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3]!,
  );
}
