/**
 * Data folders that earlier commits of this repository wrote (test/fixtures/old-data, made by its make.sh) work with
 * this one; what a newer release wrote is refused, and nothing of it is touched.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { openFileLog } from "../../adapters/file/log.ts";
import { systemClock, systemRandomness } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import { Registry } from "../../core/registry.ts";
import { eventually, type MuaraProcess, spawnMuara, startMuara, temporaryFolder } from "../services/muara.ts";

const FIXTURES = fileURLToPath(new URL("../fixtures/old-data", import.meta.url));
const ARCHIVES = (await readdir(FIXTURES)).filter((name) => name.endsWith(".tar.gz"));
const ENVIRONMENT = { MUARA_LAND_COMMIT_MS: "100" };

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function unpacked(archive: string): Promise<string> {
  const folder = await temporaryFolder("upgrade");
  cleanups.push(folder.remove);
  const data = join(folder.path, "data");
  await mkdir(data);
  await promisify(execFile)("tar", ["-xzf", join(FIXTURES, archive), "-C", data]);
  return data;
}

async function begin(data: string): Promise<MuaraProcess> {
  const muara = await startMuara(data, ENVIRONMENT);
  cleanups.push(() => muara.kill());
  return muara;
}

/** Everything but who has it open, and indexes: they are made from their segments, anew at each close. */
async function fingerprint(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !/^(lock|owner\.json|.+\.index)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const name of names) hash.update(name).update(await readFile(name));
  return hash.digest("hex");
}

function event(n: number): object {
  return {
    metadata: {
      eid: `01d00000-0000-4000-8000-${String(n).padStart(12, "0")}`,
      occurred_at: "2026-01-01T00:01:00Z",
    },
    total: n,
  };
}

test("there are folders of earlier commits", () => {
  expect(ARCHIVES.length).toBeGreaterThan(0);
});

test.each(ARCHIVES)("what %s wrote goes on", { timeout: 120_000 }, async (archive) => {
  const data = await unpacked(archive);
  let muara = await begin(data);
  const count = async (): Promise<number> =>
    Number((await muara.sql('SELECT count(*) FROM "old.order"'))[0]![0]);
  expect(await count()).toBe(40);
  const sum = await muara.sql('SELECT sum(total), count(DISTINCT event_id) FROM "old.order"');
  expect(sum).toEqual([["830.00", "40"]]);
  const books = async (): Promise<object> => {
    const body = (await (await muara.fetch("/v1/books")).json()) as { items: { event_type: string }[] };
    return body.items.find((item) => item.event_type === "old.order")!;
  };
  expect(await books()).toMatchObject({
    accepted: 42,
    landed: 40,
    duplicates: 1,
    dead_letters: 1,
    balanced: true,
  });
  const sent = await muara.fetch("/event-types/old.order/events", {
    method: "POST",
    body: JSON.stringify([event(100), event(101)]),
  });
  expect(sent.status).toBe(200);
  await eventually("landed", 20_000, async () => (await count()) === 42);
  expect(await muara.stop()).toBe(0);
  muara = await begin(data);
  expect(await count()).toBe(42);
  expect(await books()).toMatchObject({ accepted: 44, landed: 42, in_flight: 0, balanced: true });
  expect(await muara.stop()).toBe(0);
});

test("a newer log's folder, and newer data in it, are refused and stay as they are", async () => {
  const data = await unpacked(ARCHIVES[0]!);
  const identity = join(data, "log", "log.json");
  const plain = await readFile(identity, "utf8");
  await writeFile(identity, plain.replace('"format":1', '"format":2'));
  await refused(data, /is of format 2; this release has 1/);
  await writeFile(identity, plain);

  const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
  const log = await openFileLog({ directory: join(data, "log"), ...services });
  const registry = await Registry.open(log, "newer", systemClock);
  await registry.put("data-format", "muara", 0, { format: 99, version: "9.9.9" });
  await log.close();
  await refused(data, /format 99, written by Muara 9\.9\.9; this release has \d+/);
});

async function refused(data: string, message: RegExp): Promise<void> {
  const before = await fingerprint(data);
  const { ready } = spawnMuara(data, ENVIRONMENT);
  const failure = await ready.then(
    async (muara) => {
      await muara.kill();
      return "it started";
    },
    (error: Error) => error.message,
  );
  expect(failure).toMatch(message);
  expect(failure).toContain("format.newer");
  expect(await fingerprint(data)).toBe(before);
}
