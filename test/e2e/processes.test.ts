/** Business processes of a whole Muara: the shipped examples and the page about them, run as they stand. */
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommand } from "../api/run-command.ts";
import { startStack, type Stack } from "../api/stack.ts";
import { eventually } from "../services/muara.ts";
import { runSession } from "./session.ts";

const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));
const EXAMPLES = join(DOCS, "examples");
const WAIT_MS = 90_000;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack(undefined, {
    land: { commitMs: 100, projectMs: 100 },
    jobs: { everyMs: 100, quietMs: 300 },
  });
});
afterAll(() => stack.close());

const run = (argv: readonly string[]): ReturnType<typeof runCommand> =>
  runCommand(argv, { MUARA_URL: stack.url, MUARA_TOKEN: stack.token });

interface Jobs {
  readonly items: readonly {
    readonly is_live: boolean;
    readonly behind_versions: number | null;
    readonly state: string;
  }[];
}

/** All that was accepted has landed, and all jobs are through with it. */
async function settled(): Promise<void> {
  const books = await stack.get<{ items: readonly { event_type: string }[] }>("/v1/books");
  for (const { event_type: type } of books.items) if (!type.startsWith("muara.")) await stack.settled(type);
  await eventually("the jobs are through", WAIT_MS, async () => {
    const { items } = await stack.get<Jobs>("/v1/jobs");
    return items.every(
      ({ state, is_live, behind_versions }) => state === "paused" || (is_live && behind_versions === 0),
    );
  });
}

const examples = readdirSync(EXAMPLES).filter((name) => existsSync(join(EXAMPLES, name, "process.json")));

test.each(examples)("the example %s does what it says", { timeout: 200_000 }, async (name) => {
  const folder = join(EXAMPLES, name);
  const isMain = name === "parcels";
  const page = isMain ? join(DOCS, "PROCESSES.md") : join(folder, "README.md");
  expect(await runSession(page, { run, settled, folder })).toBeGreaterThan(isMain ? 8 : 0);
  // Where the session has not ended it.
  const { name: process } = JSON.parse(await readFile(join(folder, "process.json"), "utf8")) as {
    name: string;
  };
  const { code } = isMain ? { code: 0 } : await run(["process", "remove", process, "--yes"]);
  expect(code).toBe(0);
  expect((await stack.get<Jobs>("/v1/jobs")).items).toEqual([]);
});

test("the page shows the declaration as it is", async () => {
  const page = await readFile(join(DOCS, "PROCESSES.md"), "utf8");
  const shown: unknown = JSON.parse(/```json\n([\s\S]*?)```/.exec(page)![1]!);
  expect(shown).toEqual(JSON.parse(await readFile(join(EXAMPLES, "parcels/process.json"), "utf8")));
});

test("there are examples", () => expect(examples.length).toBeGreaterThan(6));
