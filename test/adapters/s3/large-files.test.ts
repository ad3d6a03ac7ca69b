/**
 * Large files on their way to S3, part by part: what that takes of memory, and that a network which cuts connections in
 * the middle of a part costs time only. A real server, and a real process that is measured.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasCode } from "../../../core/errors.ts";
import { putLocalFile } from "../../../lake/local-copy.ts";
import { type FailingNetwork, startFailingNetwork } from "../../services/toxiproxy.ts";
import { type S3Server, startS3 } from "../../services/versitygw.ts";

const MIB = 1_048_576;
/** Parts under way, and what the runtime has not collected yet: Deno keeps more (49 MiB on Node, 94 there). */
const GROWTH_MAX = ("Deno" in globalThis ? 160 : 96) * MIB;
const PROGRAM = fileURLToPath(new URL("put-large.ts", import.meta.url));

let server: S3Server;
let network: FailingNetwork;
let folder: string;
beforeAll(async () => {
  server = await startS3();
  network = await startFailingNetwork(server.url);
  folder = await mkdtemp(join(tmpdir(), "muara-large-"));
});
afterAll(async () => {
  await network?.stop();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("300 MB take a part of their length in memory, whatever the length", async () => {
  const address = await server.freshAddress("p");
  const file = join(folder, "large");
  const { accessKeyId, secretAccessKey } = server.credentials;
  const env = { ...process.env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  const bytes = 300 * MIB + 7;
  const args = [PROGRAM, address, file, String(bytes)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  const { growthBytes } = JSON.parse(stdout) as { growthBytes: number };
  process.stderr.write(`300 MiB to S3: ${(growthBytes / MIB).toFixed(1)} MiB of memory\n`);
  expect(growthBytes).toBeLessThan(GROWTH_MAX);
  const store = server.store(address);
  expect((await store.head("large"))!.bytes).toBe(bytes);
  const there = createHash("sha256");
  for (let at = 0; at < bytes; at += 16 * MIB) there.update((await store.getRange("large", at, 16 * MIB))!);
  expect(there.digest("hex")).toBe(
    createHash("sha256")
      .update(await readFile(file))
      .digest("hex"),
  );
  await rm(file);
}, 240_000);

test("connections that are cut in the middle of a part cost time only; half an object is never seen", async () => {
  const address = await server.freshAddress("p");
  const through = server.store(
    address.replace(encodeURIComponent(server.url), encodeURIComponent(network.url)),
    5 * MIB,
  );
  const direct = server.store(address);
  const bytes = Buffer.alloc(23 * MIB + 11);
  for (let at = 0; at < bytes.length; at += 4_093) bytes[at] = at >>> 12;
  const file = join(folder, "cut");
  await writeFile(file, bytes);
  // Of each connection: a part, and some of the next.
  await network.add({ type: "limit_data", stream: "upstream", attributes: { bytes: 7 * MIB } });
  await putLocalFile(through, "x", file, bytes.length);
  expect(Buffer.from((await direct.get("x"))!).equals(bytes)).toBe(true);

  await network.heal();
  await network.add({ type: "limit_data", stream: "upstream", attributes: { bytes: 3 * MIB } });
  const failed = await putLocalFile(through, "y", file, bytes.length).catch((error: unknown) => error);
  expect(hasCode(failed, "store.unavailable")).toBe(true);
  expect(await direct.get("y")).toBeUndefined();
  await network.heal();
  await direct.clearLeftovers(Infinity);
  await putLocalFile(through, "y", file, bytes.length);
  expect(Buffer.from((await direct.get("y"))!).equals(bytes)).toBe(true);

  const isShort = { bytes: 30 * MIB, read: async () => Promise.reject(new Error("the disk failed")) };
  await expect(direct.putFrom("z", isShort)).rejects.toThrow("the disk failed");
  expect(await direct.get("z")).toBeUndefined();
  expect(await direct.clearLeftovers(Infinity)).toBe(0);
}, 240_000);
