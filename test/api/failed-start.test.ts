/** A start that is refused leaves nothing open: a lock or a connection would keep the next one waiting. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openFileLog } from "../../adapters/file/log.ts";
import { systemClock, systemRandomness } from "../../core/clock.ts";
import { resolveConfig } from "../../core/config.ts";
import { silentLogger } from "../../core/logger.ts";
import { Registry } from "../../core/registry.ts";
import { startWorkers } from "../../muara.ts";
import { temporaryFolder } from "../services/muara.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder("failed-start");
});
afterAll(() => folder.remove());

async function open() {
  const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
  return openFileLog({ ...services, directory: join(folder.path, "log") });
}

test("data of a newer release, and a configuration that is refused late, leave the log free", async () => {
  const flags = { data: folder.path, port: 0 };
  const bad = { sql: "SELECT now() AS t FROM", time: "t", key: ["t"] };
  const file = { ...flags, extracts: { bad } };
  const late = resolveConfig({ environment: {}, file }).config;
  await expect(startWorkers(late, ["api"], silentLogger)).rejects.toMatchObject({ code: "config.invalid" });

  const log = await open();
  const registry = await Registry.open(log, "newer", systemClock);
  const revision = registry.get("data-format", "muara")?.revision ?? 0;
  await registry.put("data-format", "muara", revision, { format: 99, version: "9.0.0" });
  await log.close();
  const { config } = resolveConfig({ environment: {}, flags });
  await expect(startWorkers(config, ["api"], silentLogger)).rejects.toMatchObject({ code: "format.newer" });
  await (await open()).close();
});
