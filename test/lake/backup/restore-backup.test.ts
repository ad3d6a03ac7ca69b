/** What a restore takes: an empty place, and files that are to the byte what the manifest says, of its two folders. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createMemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import {
  BACKUP_FORMAT,
  type BackupFile,
  type BackupManifest,
  writeManifest,
} from "../../../lake/backup/manifest.ts";
import { restoreBackup } from "../../../lake/backup/restore-backup.ts";

const TEXTS: Readonly<Record<string, string>> = {
  "log/log.json": "{}",
  "log/segment-0.log": "records",
  "lake/t/_delta_log/00000000000000000000.json": "{}",
  "lake/t/part=a%20b/f.parquet": "rows",
  "lake/empty": "",
};
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function fileOf(path: string, text: string): BackupFile {
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { path, bytes: bytesOf(text).length, sha256 };
}

async function backupOf(
  change: (files: BackupFile[], store: ObjectStore) => Promise<unknown> | void = () => undefined,
  more: Partial<BackupManifest> = {},
): Promise<ObjectStore> {
  const store = createMemoryObjectStore();
  for (const [path, text] of Object.entries(TEXTS)) await store.put(path, bytesOf(text));
  const files = Object.entries(TEXTS).map(([path, text]) => fileOf(path, text));
  await change(files, store);
  const log = { id: null, address: "file:x", isCopied: true };
  const about = { format: BACKUP_FORMAT, version: "1", created: "2026-01-01T00:00:00.000Z", log, tables: {} };
  await writeManifest(store, { ...about, files, ...more });
  return store;
}

const targets = (): { log: ObjectStore; lake: ObjectStore } => ({
  log: createMemoryObjectStore(),
  lake: createMemoryObjectStore(),
});

async function contents(store: ObjectStore, folder: string): Promise<[string, string][]> {
  const listed = await store.list("");
  const texts = listed.map(async ({ path }): Promise<[string, string]> => {
    return [`${folder}/${path}`, new TextDecoder().decode(await store.get(path))];
  });
  return Promise.all(texts);
}

test("every file comes where it was", async () => {
  const to = targets();
  expect(await restoreBackup(await backupOf(), to)).toMatchObject({ format: BACKUP_FORMAT });
  const found = [...(await contents(to.log, "log")), ...(await contents(to.lake, "lake"))];
  expect(Object.fromEntries(found)).toEqual(TEXTS);
});

test.each(["log", "lake"] as const)(
  "nothing is written over: a %s that is not empty stays as it is",
  async (which) => {
    const to = targets();
    await to[which].put("some/where", bytesOf("own"));
    await expect(restoreBackup(await backupOf(), to)).rejects.toMatchObject({ code: "backup.exists" });
    expect([...(await contents(to.log, "log")), ...(await contents(to.lake, "lake"))]).toEqual([
      [`${which}/some/where`, "own"],
    ]);
  },
);

const PART = "lake/t/part=a%20b/f.parquet";
const corrupt = { code: "backup.corrupt" };

test.each<[string, (files: BackupFile[], store: ObjectStore) => Promise<unknown> | void]>([
  ["is missing", (_, store) => store.delete(PART)],
  ["has another byte", (_, store) => store.put(PART, bytesOf("Rows"))],
  ["is shorter", (_, store) => store.put(PART, bytesOf("row"))],
  ["was empty by its name alone", (files) => void files.push({ ...fileOf("lake/e", ""), sha256: "0" })],
])("a file that %s is named", async (_, change) => {
  const failure = restoreBackup(await backupOf(change), targets());
  await expect(failure).rejects.toMatchObject({
    ...corrupt,
    message: expect.stringMatching(/^lake\/.* is missing, or/),
  });
});

test.each(["backup.json", "other/x", "x", "/log/x", "../log/x"])(
  "a manifest may not name %s",
  async (path) => {
    const change = async (files: BackupFile[]): Promise<void> => void files.push(fileOf(path, "x"));
    await expect(restoreBackup(await backupOf(change), targets())).rejects.toMatchObject({
      ...corrupt,
      message: `The backup names "${path}".`,
    });
  },
);

test.each(["lake/../log/x", "log/../../x", "lake//x", "lake/.x", "lake"])(
  "no name leads out of its folder: %s",
  async (path) => {
    const to = targets();
    const change = async (files: BackupFile[]): Promise<void> => void files.splice(0, 99, fileOf(path, "x"));
    await expect(restoreBackup(await backupOf(change), to)).rejects.toMatchObject({
      code: expect.stringMatching(/^(store\.path|backup\.corrupt)$/),
    });
    expect([await to.log.list(""), await to.lake.list("")]).toEqual([[], []]);
  },
);

test.each<[string, Partial<BackupManifest>]>([
  ["of a later format", { format: BACKUP_FORMAT + 1 }],
  ["of an earlier one", { format: BACKUP_FORMAT - 1 }],
  ["without files", { files: undefined as never }],
])("a manifest %s is none", async (_, more) => {
  await expect(restoreBackup(await backupOf(undefined, more), targets())).rejects.toMatchObject(corrupt);
});

test("a second manifest is not written over the first", async () => {
  const store = await backupOf();
  const manifest = await restoreBackup(store, targets());
  await expect(writeManifest(store, { ...manifest, version: "2" })).rejects.toMatchObject({
    code: "backup.exists",
  });
  expect(await restoreBackup(store, targets())).toMatchObject({ version: "1" });
});
