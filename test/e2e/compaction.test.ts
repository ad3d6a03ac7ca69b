/**
 * Upkeep in a whole Muara that puts files together every moment, on a directory and on S3, while events arrive: every
 * row once, also where the process is killed again and again.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";

const TYPE = "order.created";
const EAGER = {
  MUARA_LAND_COMMIT_MS: "50",
  MUARA_UPKEEP_COMPACT_MS: "100",
  MUARA_UPKEEP_COMPACT_FILES: "4",
};

let server: S3Server;
const cleanups: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await startS3();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});
afterAll(() => server.stop());

async function start(folder: string, more: Record<string, string>): Promise<MuaraProcess> {
  const muara = await startMuara(folder, { ...EAGER, ...more });
  cleanups.push(() => muara.kill());
  return muara;
}

async function declare(muara: MuaraProcess): Promise<void> {
  const schema = JSON.stringify({ type: "object", properties: { n: { type: "integer" } } });
  const body = JSON.stringify({
    name: TYPE,
    owning_application: "test",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    schema: { type: "json_schema", schema },
  });
  const answer = await muara.fetch("/event-types", { method: "POST", body });
  expect(answer.status, await answer.text()).toBe(201);
}

async function publish(muara: MuaraProcess, n: number): Promise<void> {
  const eid = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
  const body = JSON.stringify([{ metadata: { eid, occurred_at: "2026-03-01T10:00:00Z" }, n }]);
  const answer = await muara.fetch(`/event-types/${TYPE}/events`, { method: "POST", body });
  expect(answer.status, await answer.text()).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 60)); // the next one is in another commit
}

async function read<Answer>(muara: MuaraProcess, route: string): Promise<Answer> {
  return (await (await muara.fetch(route)).json()) as Answer;
}

/** How often files were put together since version 0. */
async function compactions(muara: MuaraProcess): Promise<number> {
  const history = await read<{ items: { operation: string }[] }>(
    muara,
    `/v1/tables/${TYPE}/history?limit=1000`,
  );
  return history.items.filter(({ operation }) => operation === "OPTIMIZE").length;
}

async function expectAll(muara: MuaraProcess, count: number): Promise<void> {
  await eventually("nothing is in flight", 60_000, async () => {
    const { items } = await read<{ items: { in_flight: number }[] }>(muara, "/v1/books");
    return items[0]?.in_flight === 0;
  });
  expect(await muara.sql(`SELECT count(*), count(DISTINCT n), min(n), max(n) FROM "${TYPE}"`)).toEqual([
    [String(count), String(count), "0", String(count - 1)],
  ]);
  const verified = await read<{ holds: boolean; faults: unknown }>(
    muara,
    `/v1/tables/${TYPE}/verify?deep=true`,
  );
  expect(verified.holds, JSON.stringify(verified.faults)).toBe(true);
}

test(
  "a directory: killed between and amid compactions, every row stays there once",
  { timeout: 400_000 },
  async () => {
    const folder = await temporaryFolder("compaction");
    cleanups.push(folder.remove);
    let muara = await start(folder.path, {});
    await declare(muara);
    let sent = 0;
    for (let life = 0; life < 3; life++) {
      const before = await compactions(muara);
      for (const end = sent + 30; sent < end; sent++) await publish(muara, sent);
      await eventually("files were put together", 60_000, async () => {
        // An event now and then: what is compacted must have come meanwhile.
        await publish(muara, sent++);
        return (await compactions(muara)) > before;
      });
      await muara.kill();
      muara = await start(folder.path, {});
    }
    for (let again = 0; again < sent; again += 7) await publish(muara, again); // known, whoever wrote the file anew
    await expectAll(muara, sent);
  },
);

test("S3: the same objects for everybody, fewer of them", { timeout: 400_000 }, async () => {
  const folder = await temporaryFolder("compaction-s3");
  cleanups.push(folder.remove);
  const muara = await start(folder.path, {
    MUARA_LAKE: await server.freshAddress("compaction"),
    AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
  });
  await declare(muara);
  let sent = 0;
  for (; sent < 40; sent++) await publish(muara, sent);
  await eventually("files were put together", 60_000, async () => {
    await publish(muara, sent++);
    return (await compactions(muara)) > 1;
  });
  await publish(muara, 3);
  await expectAll(muara, sent);
  const shown = await read<{ files: number; version: number }>(muara, `/v1/tables/${TYPE}`);
  expect(shown.files).toBeLessThan(sent / 2);
});
