/**
 * docs/CLI.md is made of the commands' own help: its examples are understood by the program that prints them. Nothing
 * listens at the address that they are given, so what is understood ends there, and what is not ends as wrong usage.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommand } from "../api/run-command.ts";
import { blocksOf } from "./blocks.ts";

const PAGE = new URL("../../docs/CLI.md", import.meta.url);
/** Start something, wait for it, or follow it. */
const STARTS = /^muara (init|demo|dev|start|doctor|complete|health|tail|sql$|job (export velocity|logs))/;
const WRONG_USAGE = 2;
/** Wrong usage is told at once. */
const UNDERSTOOD_MS = 5_000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "muara-synopsis-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const lines = blocksOf(readFileSync(PAGE, "utf8")).flatMap(({ text }) =>
  text
    .split("\n")
    .filter((line) => line.startsWith("muara ") && !line.includes("[options]") && !STARTS.test(line)),
);

/** As a shell splits it. */
function wordsOf(line: string): readonly string[] {
  const bare = line.replace(/ [|>] .*$/, "");
  return [...bare.matchAll(/"([^"]*)"|'([^']*)'|((?:[^\s'"]|"[^"]*"|'[^']*')+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3]!.replace(/["']/g, ""),
  );
}

test("every example is understood", async () => {
  expect(lines.length).toBeGreaterThan(100);
  const wrong: string[] = [];
  for (const line of lines) {
    const words = wordsOf(line).slice(1);
    const files = words.filter((word) => /^[\w-]+\.(json|ndjson|jsonl|sql|csv)$/.test(word));
    for (const file of files)
      await writeFile(join(folder, file), file === "grants.json" ? "[]" : '{"name":"a"}\n');
    const isPlace = (word: string, index: number): boolean =>
      files.includes(word) || (words[0] === "extract" && words[index - 1] === "--to");
    const argv = words.map((word, index) => (isPlace(word, index) ? join(folder, word) : word));
    const given = { MUARA_URL: "http://127.0.0.1:1", MUARA_TOKEN: "none" };
    const late = new Promise<{ code: number; err: string }>((resolve) =>
      setTimeout(resolve, UNDERSTOOD_MS, { code: -1, err: "" }),
    );
    const { code, err } = await Promise.race([late, runCommand(argv, given)]);
    if (code === -1) wrong.push(`${line}: goes on`);
    // Nobody can be asked here: that is understood, too.
    if (code === WRONG_USAGE && !err.includes("nobody to ask")) wrong.push(`${line}: ${err}`);
  }
  expect(wrong).toEqual([]);
}, 120_000);

test("what is not understood is found", async () => {
  const { code } = await runCommand(["books", "--no-such"], { MUARA_URL: "http://127.0.0.1:1" });
  expect(code).toBe(WRONG_USAGE);
});
