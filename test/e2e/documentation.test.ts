/**
 * Every command of the documentation is executed: README.md, the pages of docs/ and the tutorials, block after block,
 * as a reader would. What is not executed says so in the page, with the reason, and is counted here.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { blocksOf, commandsOf, isExecuted, looksLikeCommands, spelledOut } from "../documents/blocks.ts";
import { PAGES } from "../documents/pages.ts";
import { openPlace } from "../documents/place.ts";
import { runPage } from "../documents/run-page.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Executed, and their answers compared, by test/e2e/processes.test.ts; CLI.md by test/documents/synopsis.test.ts. */
const IS_SESSION = /^docs\/(PROCESSES\.md|CLI\.md|examples\/)/;
const NOT_EXECUTED_MAX = 6;
const PAGE_MS_MAX = 240_000;

const read = (page: string): string => readFileSync(join(ROOT, page), "utf8");
const all = [
  "README.md",
  "notebooks/README.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md") && !/^(decisions|proofs)\//.test(name))
    .map((name) => `docs/${name}`),
].toSorted();
const withCommands = all.filter((page) => blocksOf(read(page)).some(isExecuted));

test("every page with commands is executed, here or as a session", () => {
  const here = PAGES.map(({ page }) => page);
  const known = new Set([...here, ...all.filter((page) => IS_SESSION.test(page))]);
  expect(withCommands.length).toBeGreaterThan(10);
  expect(withCommands.filter((page) => !known.has(page))).toEqual([]);
  expect(here.filter((page) => !withCommands.includes(page))).toEqual([]);
});

test("what is not executed says why, and is little", () => {
  const left = all.flatMap((page) =>
    blocksOf(read(page)).flatMap(({ reason, line }) =>
      reason === undefined ? [] : [`${page}:${line} ${reason}`],
    ),
  );
  console.log(`${left.length} blocks are not executed:\n${left.join("\n")}`);
  expect(left.length).toBeLessThanOrEqual(NOT_EXECUTED_MAX);
  const hidden = all.flatMap((page) =>
    blocksOf(read(page)).flatMap((block) => (looksLikeCommands(block) ? [`${page}:${block.line}`] : [])),
  );
  expect(hidden, "commands in a block without a language").toEqual([]);
});

test.each(PAGES.map((one) => [one.page, one] as const))(
  "%s",
  async (page, { open, options }) => {
    const place = await openPlace();
    const close = await open?.(place);
    try {
      expect(await runPage(page, place, options)).toBeGreaterThan(0);
    } finally {
      await place.close();
      await close?.();
    }
  },
  PAGE_MS_MAX,
);

test("blocks are found, with what keeps one from being executed", () => {
  const page = [
    "```sh\nmuara job a|b x # c\n```",
    "<!-- not executed: it would take another machine -->\n```sh\nrm x\n```",
    "```\n$ npx muara sql\n```",
  ].join("\n\n");
  const blocks = blocksOf(page);
  expect(blocks.map(isExecuted)).toEqual([true, false, false]);
  expect(blocks.map(looksLikeCommands)).toEqual([false, false, true]);
  expect(commandsOf(blocks[0]!).flatMap(spelledOut)).toEqual(["muara job a x # c", "muara job b x # c"]);
  expect(spelledOut("muara sql 'a|b c'")).toEqual(["muara sql 'a|b c'"]);
  expect(() => blocksOf("```sh\nx")).toThrow("never closed");
});
