/** Landing reads into buffers that are used again: each is overwritten when it is given back, and nothing shows. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openFileLog } from "../../../adapters/file/log.ts";
import { BytePool } from "../../../core/byte-pool.ts";
import { seededRandomness } from "../../../core/clock.ts";
import { planColumns } from "../../../core/columns.ts";
import { packRecords } from "../../../core/record.ts";
import { readRows } from "../../../lake/parquet/rows.ts";
import { readSideFile } from "../../../lake/side-file.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { quickDisk, quickRoot } from "../../adapters/file/log-disks.ts";
import { DAY_MS, event, eventType, install, never, OPTIONS } from "./setup.ts";

const ROUNDS = 5;
const EVENTS = 200;
const type = eventType({
  schema: {
    type: "json_schema",
    schema: JSON.stringify({ properties: { n: { type: "integer" }, pad: { type: "string" } } }),
  },
});

const directory = await mkdtemp(join(quickRoot, "muara-land-buffers-"));
afterAll(() => rm(directory, { recursive: true }));

test("rows and dead letters are what was sent, whoever has the buffers later", async () => {
  const at = await install();
  const random = seededRandomness(5);
  const { clock, logger } = at.ports;
  const log = await openFileLog({ directory, clock, logger, randomness: random, disk: quickDisk });
  await log.createStream(type.name, { partitions: 2, cleanup: "delete", retentionMs: DAY_MS });
  let given = 0;
  const onGiven = (bytes: Uint8Array): void => {
    given++;
    bytes.fill(0xdb);
  };
  const buffers = new BytePool({ onGiven });
  const landing = await TableLanding.open({ ...at.ports, log, buffers }, OPTIONS, type);
  const good = new Map<number, string>();
  const dead: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const partition of [0, 1]) {
      const payloads = Array.from({ length: EVENTS }, (_, i) => {
        const n = (round * 2 + partition) * EVENTS + i;
        const pad = random.uuid().repeat(10);
        const isGood = i % 7 !== 3;
        const text = event(n, isGood ? { pad } : { pad, n: "no number" });
        if (isGood) good.set(n, pad);
        else dead.push(text);
        return text;
      });
      const header = `{"flow_id":"${round}-${partition}"}`;
      await log.append(
        type.name,
        partition,
        packRecords(payloads.map((text) => ({ payload: Buffer.from(text), header }))),
      );
    }
    while ((await landing.step(never)).hasBacklog);
  }
  expect(given).toBeGreaterThanOrEqual(ROUNDS * 2);
  const found = new Map<number, string>();
  const { files, version } = await at.openTable(type.name).snapshot();
  for (const { path } of files.values())
    for (const row of await readRows(
      (await at.store.get(`${type.name}/${path}`))!,
      planColumns(type).columns,
    )) {
      expect(row["flow_id"]).toMatch(/^\d-\d$/);
      found.set(Number(row["n"]), String(row["pad"]));
    }
  expect(found).toEqual(good);
  const buried: string[] = [];
  for (let v = 0; v <= version; v++) {
    const { side } = (await at.openTable(type.name).read(v))!.info as { readonly side?: string | null };
    if (!side) continue;
    for (const row of await readSideFile(at.store, side)) {
      expect(row.header).toMatch(/^\{"flow_id":"\d-\d"\}$/);
      buried.push(Buffer.from(row.payload!).toString());
    }
  }
  expect(buried.sort()).toEqual(dead.sort());
  landing.discard();
  await log.close();
});
