import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "vitest";
import { createFileObjectStore } from "../../../adapters/file/object-store.ts";
import { objectStoreCases } from "../../conformance/object-store.ts";

const folders: string[] = [];
async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "muara-store-"));
  folders.push(folder);
  return folder;
}
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

describe("object store in a directory", () => {
  it.each(objectStoreCases)("%s", (_name, run) =>
    run({ open: async () => createFileObjectStore({ root: join(await freshFolder(), "deep", "lake") }) }),
  );
});
