/**
 * The conformance suites without a test framework, in a folder given as argument, so that a runtime may run them
 * with no more permissions than an embedded Muara needs: `npm run conformance:deno`. Prints every failure, and how
 * many passed.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { openFileLog } from "../../adapters/file/log.ts";
import { createFileObjectStore } from "../../adapters/file/object-store.ts";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import { createMemoryObjectStore } from "../../adapters/memory/object-store.ts";
import { memoryStore, s3LogHarness } from "../adapters/s3/s3-harness.ts";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { logCasesFor } from "./log.ts";
import type { LogHarness } from "./log-harness.ts";
import { objectStoreCases } from "./object-store.ts";
import { tableLogCases } from "./table-log.ts";

type Case = readonly [name: string, run: () => Promise<void>];

const parent = process.argv[2];
if (parent === undefined) throw new Error("which folder? usage: run.ts FOLDER");
await mkdir(parent, { recursive: true });
const root = await mkdtemp(join(parent, "conformance-"));
let folders = 0;
const freshFolder = (): string => join(root, `${folders++}`);

function fileLog(): LogHarness {
  const clock = new ManualClock(1_700_000_000_000);
  const randomness = seededRandomness(1);
  const directory = freshFolder();
  const open = (): Promise<Log> => openFileLog({ directory, clock, randomness, logger: silentLogger });
  const reopen = async (log: Log): Promise<Log> => {
    await log.close();
    return open();
  };
  return { clock, open, reopen, abilities: ["clock", "reopen", "producers", "retention", "accepted"] };
}

function memoryLog(): LogHarness {
  const clock = new ManualClock(1_700_000_000_000);
  const randomness = seededRandomness(1);
  return {
    clock,
    open: async () => createMemoryLog({ clock, randomness }),
    abilities: ["clock", "producers", "retention", "accepted"],
  };
}

function logSuite(kind: string, harness: () => LogHarness): Case[] {
  return logCasesFor(harness().abilities).map(([name, run]) => [
    `${kind} log: ${name}`,
    () => run(harness()),
  ]);
}

function storeSuites(kind: string, open: () => ObjectStore): Case[] {
  const harness = { open: async () => open() };
  return [
    ...objectStoreCases.map(([name, run]): Case => [`${kind} object store: ${name}`, () => run(harness)]),
    ...tableLogCases.map(([name, run]): Case => [`table log, ${kind}: ${name}`, () => run(harness)]),
  ];
}

const cases: readonly Case[] = [
  ...logSuite("file", fileLog),
  ...logSuite("memory", memoryLog),
  ...logSuite("object store in memory as a", () => s3LogHarness(memoryStore)),
  ...storeSuites("file", () => createFileObjectStore({ root: freshFolder() })),
  ...storeSuites("memory", () => createMemoryObjectStore()),
];
let failed = 0;
for (const [name, run] of cases)
  try {
    await run();
  } catch (error) {
    failed++;
    process.stderr.write(`FAILED ${name}: ${error instanceof Error ? error.stack : String(error)}\n`);
  }
await rm(root, { recursive: true });
process.stdout.write(`${cases.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 || cases.length < 100 ? 1 : 0;
