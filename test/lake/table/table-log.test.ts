import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "vitest";
import { createFileObjectStore } from "../../../adapters/file/object-store.ts";
import { createMemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import { tableLogCases } from "../../conformance/table-log.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

describe("table log in memory", () => {
  it.each(tableLogCases)("%s", (_name, run) => run({ open: async () => createMemoryObjectStore() }));
});

describe("table log in a directory", () => {
  it.each(tableLogCases)("%s", (_name, run) =>
    run({
      open: async () => {
        const root = await mkdtemp(join(tmpdir(), "muara-table-"));
        folders.push(root);
        return createFileObjectStore({ root });
      },
    }),
  );
});
