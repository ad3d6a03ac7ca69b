/**
 * A running Muara's lake, in a directory and on S3, opened by its place with readers that are not ours: counts, sums
 * and every digit equal what was published, over HTTP, through landing, at rest.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { eventually, startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";
import { runPython } from "../services/python.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";

const EVENTS = 2_000;
const BATCH = 250;
const DIGITS = "12345678901234567890123";
const UNKNOWN = '{"deep":[1.50,{"note":"as \\u00e9 sent","digits":0.1234567890123456789012}],"empty":{}}';

const OPTIONS = "options = json.loads(sys.argv[2])";

describe.each(["a directory", "S3"])("a lake in %s", (place) => {
  let server: S3Server | undefined;
  let address: string;
  let options: Record<string, string>;
  let folder: { path: string; remove: () => Promise<void> };
  let muara: MuaraProcess;
  const published: { id: string; cents: bigint; quantity: bigint }[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder("lake");
    [address, options] = [join(folder.path, "lake"), {}];
    if (place === "S3") {
      server = await startS3();
      const { accessKeyId, secretAccessKey } = server.credentials;
      const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
      const lake = await server.freshAddress("the/lake");
      muara = await startMuara(folder.path, { MUARA_LAKE: lake, ...keys });
      address = lake.split("?")[0]!;
      options = { ...keys, AWS_ENDPOINT_URL: server.url, AWS_REGION: "us-east-1", AWS_ALLOW_HTTP: "true" };
    } else muara = await startMuara(folder.path);
    const declared = await muara.fetch("/event-types", { method: "POST", body: JSON.stringify(saleType()) });
    expect(declared.status).toBe(201);
    const chance = seededRandomness(23);
    for (let at = 0; at < EVENTS; at += BATCH) {
      const batch = Array.from({ length: BATCH }, () => {
        const sale = {
          id: chance.uuid(),
          // 18 digits, four of them behind the point: no double holds them.
          cents:
            BigInt(Math.floor(chance.fraction() * 9e8)) * 1_000_000_000n +
            BigInt(Math.floor(chance.fraction() * 1e9)),
          quantity: BigInt(Math.floor(chance.fraction() * 1e6)) * 9_007_199_254_740n + 1n,
        };
        published.push(sale);
        return eventOf(sale);
      });
      const answer = await muara.fetch("/event-types/shop.sale/events", {
        method: "POST",
        body: `[${batch.join(",")}]`,
      });
      expect(answer.status, await answer.text()).toBe(200);
    }
    await eventually("everything landed", 20_000, async () => {
      const [[count]] = (await muara.sql(`SELECT count(*) FROM "shop.sale"`)) as [[string]];
      return Number(count) === EVENTS;
    });
  }, 600_000);

  afterAll(async () => {
    await muara.stop();
    await folder.remove();
    await server?.stop();
  });

  test(
    "delta-rs and Polars open the folder by path and agree on counts, sums and digits",
    { timeout: 120_000 },
    async () => {
      const asked = [`${address}/shop.sale`, JSON.stringify(options)];
      const deltaRs = (await runPython(SCRIPT_DELTA_RS, asked)) as Summary;
      const polars = (await runPython(SCRIPT_POLARS, asked)) as Summary;
      const amount = decimalText(published.reduce((sum, sale) => sum + sale.cents, 0n));
      const quantity = published.reduce((sum, sale) => sum + sale.quantity, 0n).toString();
      const [[rows, ourAmount, ourQuantity]] = (await muara.sql(
        `SELECT count(*), sum(amount), sum(quantity) FROM "shop.sale"`,
      )) as [[string, string, string]];
      expect([Number(rows), ourAmount, ourQuantity]).toEqual([EVENTS, amount, quantity]);
      for (const foreign of [deltaRs, polars]) {
        expect(foreign).toEqual({ rows: EVENTS, ids: EVENTS, amount, quantity, extras: [expectedExtra()] });
      }
    },
  );

  test("each value comes back exactly", async () => {
    const rows = (await muara.sql(`SELECT event_id, amount, quantity, extra FROM "shop.sale"`)) as string[][];
    const byId = new Map(rows.map((row) => [row[0], row]));
    for (const sale of published)
      expect(byId.get(sale.id)?.slice(1)).toEqual([
        decimalText(sale.cents),
        sale.quantity.toString(),
        expectedExtra(),
      ]);
  });
});

interface Summary {
  readonly rows: number;
  readonly ids: number;
  readonly amount: string;
  readonly quantity: string;
  readonly extras: readonly string[];
}

const SCRIPT_DELTA_RS = `
import sys, json
from deltalake import DeltaTable
import pyarrow.compute as pc
${OPTIONS}
t = DeltaTable(sys.argv[1], storage_options=options).to_pyarrow_table()
amount = format(sum(v.as_py() for v in t["amount"]), "f")
print(json.dumps({"rows": t.num_rows, "ids": len(pc.unique(t["event_id"])), "amount": amount,
  "quantity": str(sum(v.as_py() for v in t["quantity"])), "extras": pc.unique(t["extra"]).to_pylist()}))
`;
const SCRIPT_POLARS = `
import sys, json
import polars as pl
${OPTIONS}
t = pl.scan_delta(sys.argv[1], storage_options=options).collect()
amount = format(sum(t["amount"].to_list()), "f")
print(json.dumps({"rows": t.height, "ids": t["event_id"].n_unique(), "amount": amount,
  "quantity": str(sum(t["quantity"].to_list())), "extras": t["extra"].unique().to_list()}))
`;

/** What the schema does not know, at any depth, byte for byte. */
function expectedExtra(): string {
  return `{"serial":${DIGITS},"unknown":${UNKNOWN},"place":{"gate":7.50}}`;
}

function eventOf(sale: { id: string; cents: bigint; quantity: bigint }): string {
  return (
    `{"metadata":{"eid":"${sale.id}","occurred_at":"2026-03-01T10:00:00Z"},"amount":${decimalText(sale.cents)},` +
    `"quantity":${sale.quantity},"serial":${DIGITS},"unknown":${UNKNOWN},"place":{"city":"Kuching","gate":7.50}}`
  );
}

/** Four digits behind the point. */
function decimalText(units: bigint): string {
  const digits = units.toString().padStart(5, "0");
  return `${digits.slice(0, -4)}.${digits.slice(-4)}`;
}

function saleType(): Record<string, unknown> {
  const place = { type: "object", properties: { city: { type: "string" } } };
  const properties = {
    amount: { type: "number", format: "decimal(24,4)" },
    quantity: { type: "integer" },
    place,
  };
  return {
    name: "shop.sale",
    owning_application: "test",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    default_statistic: { messages_per_minute: 1, message_size: 1, read_parallelism: 2, write_parallelism: 2 },
    schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
  };
}
