/**
 * From the commit at a source to the row in the operational data store: a source with so many changes a second,
 * capture, landing and delivery in one Muara with its defaults (`npm run bench:ods-latency`, `--json` for one object).
 * `RATE` and `SECONDS` in the environment.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { eventually, startMuara, temporaryFolder } from "../test/services/muara.ts";
import { startPostgres } from "../test/services/postgres.ts";
import { printResult, quantile } from "./result.ts";

const RATE = Number(process.env["RATE"] ?? 1_000);
const SECONDS = Number(process.env["SECONDS"] ?? 30);
const WARM_S = 5;
const STEP_MS = 50;
const LOOK_MS = 10;

const server = await startPostgres({ fsync: "on" });
const folder = await temporaryFolder("ods-latency");
try {
  const [from, to] = [await server.freshDatabase(), await server.freshDatabase()];
  const { host, port, user } = server;
  const databases = { shop: { host, port, user, database: from }, store: { host, port, user, database: to } };
  const path = join(folder.path, "muara.config.ts");
  await writeFile(
    path,
    `export default ${JSON.stringify({ postgres: databases, deliver: { postgres: ["store"] } })};`,
  );
  const source = await server.connect(from);
  await source.query(
    "create table t (id bigint primary key, name text, amount numeric(12,2), at timestamptz)",
  );
  const muara = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: path });
  const post = async (at: string, body: object): Promise<void> => {
    const answer = await muara.fetch(at, { method: "POST", body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(await answer.text());
  };
  await post("/v1/captures", { name: "shop", database: "shop", tables: ["public.t"], copy: "none" });
  await eventually("it streams", 60_000, async () => {
    const shown = (await (await muara.fetch("/v1/captures/shop")).json()) as { state: string };
    return shown.state === "streaming";
  });
  const postgres = { target: "store", table: "ods.t", mode: "state", key: ["id"] };
  await post("/v1/deliveries", { name: "ods", table: "shop.public.t", from: "begin", postgres });

  const committed: { readonly id: number; readonly atMs: number }[] = [];
  const waitedMs: number[] = [];
  const over = new AbortController();
  const watch = async (): Promise<void> => {
    const store = await server.connect(to);
    for (let next = 0; !over.signal.aborted || next < committed.length;) {
      const seen = await store
        .query<{ id: string }>("select coalesce(max(id), -1) as id from ods.t")
        .then(({ rows }) => Number(rows[0]!.id))
        .catch(() => -1);
      for (const nowMs = performance.now(); next < committed.length && committed[next]!.id <= seen; next++)
        waitedMs.push(nowMs - committed[next]!.atMs);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  };
  const watching = watch();
  const perStep = Math.round((RATE * STEP_MS) / 1_000);
  const startMs = performance.now();
  for (let id = 0, step = 0; step < ((SECONDS + WARM_S) * 1_000) / STEP_MS; step++) {
    const values = Array.from({ length: perStep }, () => `(${++id}, 'customer ${id}', ${id}.25, now())`);
    await source.query(`insert into t values ${values.join(",")}`);
    committed.push({ id, atMs: performance.now() });
    const waitMs = startMs + (step + 1) * STEP_MS - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  over.abort();
  await watching;
  await muara.stop();
  const measured = waitedMs.slice(Math.round((WARM_S * 1_000) / STEP_MS));
  printResult(
    "ods-latency",
    [0.5, 0.99, 1].map((share) => ({
      name: `commit to store at ${RATE} changes/s, ${share === 1 ? "longest" : `p${share * 100}`}`,
      value: quantile(measured, share),
      unit: "ms",
    })),
  );
} finally {
  await server.stop();
  await folder.remove();
}
