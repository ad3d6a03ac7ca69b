/**
 * Backups of a process that runs, under load, with readers of its tables: restored elsewhere nothing that was accepted
 * before is lost, nothing is there twice, the books balance, and what reads the tables goes on without a hole.
 */
import { cp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { runCommand } from "../api/run-command.ts";
import { booksOf, lakeFaults, Load, TYPE } from "../fire/load.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";

const PRODUCERS = 3;
const JOB = `CREATE JOB totals AS
SELECT window_start, window_end, count(*) AS events FROM TUMBLE(fire_event, event_time, INTERVAL '1 minute')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE INTO lake event_totals
`;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let hook: Server;
let environment: Record<string, string>;
/** Ids that a delivery has brought, and how often. */
const delivered = new Map<string, number>();
const load = new Load();
let acknowledgedBefore: ReadonlySet<string>;
const processes: MuaraProcess[] = [];

interface Rows {
  readonly data: { readonly rows: readonly { readonly event_id: string }[] };
}

const at = (name: string): string => join(folder.path, name);

async function backup(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  return runCommand(["backup", ...argv], {});
}

async function begin(data: string): Promise<MuaraProcess> {
  const muara = await startMuara(at(data), environment);
  processes.push(muara);
  return muara;
}

async function waitForLanding(muara: MuaraProcess): Promise<void> {
  await eventually("everything landed", 30_000, async () => (await booksOf(muara)).in_flight === 0);
}

async function idsIn(muara: MuaraProcess): Promise<string[]> {
  return ((await muara.sql(`SELECT event_id FROM "${TYPE}"`)) as [string][]).map(([id]) => id);
}

beforeAll(async () => {
  folder = await temporaryFolder("backup");
  hook = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { rows } = (JSON.parse(body) as Rows).data;
      for (const { event_id: id } of rows) delivered.set(id, (delivered.get(id) ?? 0) + 1);
      response.end();
    });
  });
  await new Promise<void>((done) => hook.listen(0, "127.0.0.1", done));
  const { port } = hook.address() as AddressInfo;
  const config = at("muara.config.ts");
  await writeFile(
    config,
    `export default ${JSON.stringify({ outgoing: { allow: [`127.0.0.1:${port}`] } })};`,
  );
  environment = { MUARA_LAND_COMMIT_MS: "50", MUARA_DELIVER_SAVE_MS: "20", MUARA_CONFIG: config };

  const muara = await begin("data");
  await load.declare(muara);
  const declare = async (path: string, body: object): Promise<void> => {
    const made = await muara.fetch(path, { method: "POST", body: JSON.stringify(body) });
    expect([path, made.status]).toEqual([path, 201]);
  };
  await declare("/v1/jobs", { text: JOB });
  await declare("/v1/deliveries", {
    name: "hook",
    table: TYPE,
    url: `http://127.0.0.1:${port}/`,
    batch_rows: 20,
  });
  const end = new AbortController();
  const producing = Array.from({ length: PRODUCERS }, async () => {
    while (!end.signal.aborted) await load.send(muara, 20, 200);
  });
  await eventually("traffic", 30_000, async () => load.acknowledged.size > 500 && delivered.size > 200);
  acknowledgedBefore = new Set(load.acknowledged);
  const made = await backup("create", at("copy"), "--data", at("data"), "-o", "json");
  expect([made.code, made.err]).toEqual([0, expect.stringContaining("files copied")]);
  expect(load.acknowledged.size).toBeGreaterThan(acknowledgedBefore.size); // there was traffic all the time
  end.abort();
  await Promise.all(producing);
  await muara.kill();
}, 120_000);

afterEach(async () => {
  for (const muara of processes.splice(0)) await muara.kill();
});

afterAll(async () => {
  hook?.close();
  await folder?.remove();
});

test("restored: nothing lost, nothing twice, and deliveries go on without a hole", async () => {
  expect(await backup("verify", at("copy"))).toMatchObject({ code: 0 });
  expect(await backup("restore", at("copy"), "--data", at("restored"))).toMatchObject({ code: 0 });
  const muara = await begin("restored");
  await waitForLanding(muara);
  const ids = await idsIn(muara);
  expect(new Set(ids).size).toBe(ids.length);
  const there = new Set(ids);
  expect([...acknowledgedBefore].filter((id) => !there.has(id))).toEqual([]);
  expect(ids.filter((id) => !load.acknowledged.has(id) && !load.unknown.has(id))).toEqual([]);
  const books = await booksOf(muara);
  expect(books).toMatchObject({ balanced: true, landed: ids.length, in_flight: 0 });
  await eventually("every row is delivered", 30_000, async () => ids.every((id) => delivered.has(id)));
  const job = (await (await muara.fetch("/v1/jobs/totals")).json()) as { state: string };
  expect(["running", "starting"]).toContain(job.state);
  // It is a Muara like any other: what is sent now lands.
  const after = new Load();
  const sent = await muara.fetch(`/event-types/${TYPE}/events`, {
    method: "POST",
    body: JSON.stringify([{ metadata: { eid: crypto.randomUUID(), occurred_at: new Date().toISOString() } }]),
  });
  expect([sent.status, after.unknown.size]).toEqual([200, 0]);
  await waitForLanding(muara);
  expect((await booksOf(muara)).landed).toBe(ids.length + 1);
  expect(await muara.stop()).toBe(0);
}, 120_000);

test("of a process that was killed, everything that it has acknowledged", async () => {
  expect(await backup("create", at("killed"), "--data", at("data"))).toMatchObject({ code: 0 });
  expect(await backup("restore", at("killed"), "--data", at("revived"))).toMatchObject({ code: 0 });
  const muara = await begin("revived");
  await waitForLanding(muara);
  await eventually("the lake is whole", 10_000, async () => (await lakeFaults(muara, load)).length === 0);
  expect(await muara.stop()).toBe(0);
}, 120_000);

test("what is damaged is named, and never restored", async () => {
  const files = JSON.parse(await readFile(join(at("copy"), "backup.json"), "utf8")) as {
    files: { path: string; bytes: number }[];
  };
  const parquet = files.files.find(({ path }) => path.endsWith(".parquet"))!.path;
  const segment = files.files.find(({ path }) => path.endsWith(".log"))!.path;
  const damages: readonly (readonly [RegExp, (place: string) => Promise<unknown>])[] = [
    [/part-.*is missing/, (place) => rm(join(place, parquet))],
    [/segment-.*has other bytes/, (place) => flip(join(place, segment))],
    [/segment-.*has \d+ bytes, not/, (place) => truncate(join(place, segment), 100)],
    [/no backup, or one that was cut off/, (place) => rm(join(place, "backup.json"))],
    [/is no JSON/, (place) => truncate(join(place, "backup.json"), 50)],
    [/has format 2/, (place) => replaceText(join(place, "backup.json"), '"format": 1', '"format": 2')],
  ];
  for (const [i, [message, damage]] of damages.entries()) {
    const place = at(`damaged-${i}`);
    await cp(at("copy"), place, { recursive: true });
    await damage(place);
    const verified = await backup("verify", place);
    expect([message.test(verified.err), verified.code === 0]).toEqual([true, false]);
    const restored = await backup("restore", place, "--data", at(`from-${i}`));
    expect(restored.code).not.toBe(0);
    await expect(readFile(join(at(`from-${i}`), "log", "log.json"))).rejects.toThrow("ENOENT");
    await rm(place, { recursive: true });
  }
});

test("a log that is older than its tables is a fault", async () => {
  const place = at("mixed");
  await cp(at("killed"), place, { recursive: true });
  const manifest = JSON.parse(await readFile(join(place, "backup.json"), "utf8")) as {
    files: { path: string }[];
  };
  const older = JSON.parse(await readFile(join(at("copy"), "backup.json"), "utf8")) as typeof manifest;
  await rm(join(place, "log"), { recursive: true });
  await cp(join(at("copy"), "log"), join(place, "log"), { recursive: true });
  const files = [...manifest.files.filter((file) => !isLog(file)), ...older.files.filter(isLog)];
  await writeFile(join(place, "backup.json"), JSON.stringify({ ...manifest, files }));
  const verified = await backup("verify", place);
  expect([verified.code, verified.err]).toEqual([6, expect.stringMatching(/goes on at \d+, the log has/)]);
});

test("nothing is written over", async () => {
  expect(await backup("create", at("copy"), "--data", at("data"))).toMatchObject({ code: 5 });
  expect(await backup("restore", at("copy"), "--data", at("data"))).toMatchObject({ code: 5 });
  expect(await backup("create", at("x"), "--data", at("nothing"))).toMatchObject({ code: 3 });
});

test("a log that is elsewhere is not in the backup, and every command says so", async () => {
  const config = at("kafka.config.ts");
  const lake = `file:${at("data")}/lake`;
  await writeFile(config, `export default ${JSON.stringify({ log: "kafka://broker:9092/shop", lake })};`);
  const made = await backup(
    "create",
    at("lake-only"),
    "--data",
    at("data"),
    "--config",
    config,
    "-o",
    "json",
  );
  const said = /NOT in this backup: kafka:\/\/broker:9092\/shop keeps it/;
  expect([made.code, made.err]).toEqual([0, expect.stringMatching(said)]);
  expect((JSON.parse(made.out) as { in_flight: number | null }[])[0]!.in_flight).toBe(null);
  const files = JSON.parse(await readFile(join(at("lake-only"), "backup.json"), "utf8")) as {
    files: { path: string }[];
  };
  expect(files.files.length).toBeGreaterThan(10);
  expect(files.files.filter(isLog)).toEqual([]);
  expect(await backup("verify", at("lake-only"))).toMatchObject({ err: expect.stringMatching(said) });
  const restored = await backup("restore", at("lake-only"), "--data", at("lake-back"));
  expect([restored.code, restored.err]).toEqual([
    0,
    expect.stringMatching(/the one that it belongs to, kafka:/),
  ]);
});

test("to S3 and back", async () => {
  let server: S3Server | undefined;
  const before = { ...process.env };
  try {
    server = await startS3();
    const place = await server.freshAddress("backup");
    process.env["AWS_ACCESS_KEY_ID"] = server.credentials.accessKeyId;
    process.env["AWS_SECRET_ACCESS_KEY"] = server.credentials.secretAccessKey;
    expect(await backup("create", place, "--data", at("data"))).toMatchObject({ code: 0 });
    expect(await backup("restore", place, "--data", at("from-s3"))).toMatchObject({ code: 0 });
    const muara = await begin("from-s3");
    await waitForLanding(muara);
    expect(await lakeFaults(muara, load)).toEqual([]);
  } finally {
    process.env = before;
    await server?.stop();
  }
}, 120_000);

function isLog({ path }: { readonly path: string }): boolean {
  return path.startsWith("log/");
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length >>> 1]! ^= 1;
  await writeFile(path, bytes);
}

async function replaceText(path: string, from: string, to: string): Promise<void> {
  const text = await readFile(path, "utf8");
  expect(text).toContain(from);
  await writeFile(path, text.replace(from, to));
}
