/**
 * A running Muara's lake, in a directory and on S3, opened by its place with readers that are not ours: counts, sums
 * and every digit equal what was published, over HTTP, through landing, at rest. Spark has a file of its own
 * (spark.test.ts).
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";
import { runPython } from "../services/python.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";
import { decimalText, expectedExtra, publishSales, type Sale, summaryOf } from "./sales.ts";

const OPTIONS = "options = json.loads(sys.argv[2])";

describe.each(["a directory", "S3"])("a lake in %s", (place) => {
  let server: S3Server | undefined;
  let address: string;
  let options: Record<string, string> = {};
  let folder: { path: string; remove: () => Promise<void> };
  let muara: MuaraProcess;
  let published: readonly Sale[];

  beforeAll(async () => {
    folder = await temporaryFolder("lake");
    address = join(folder.path, "lake");
    if (place === "S3") {
      server = await startS3();
      const { accessKeyId, secretAccessKey } = server.credentials;
      const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
      const lake = await server.freshAddress("the/lake");
      muara = await startMuara(folder.path, { MUARA_LAKE: lake, ...keys });
      address = lake.split("?")[0]!;
      options = { ...keys, AWS_ENDPOINT_URL: server.url, AWS_REGION: "us-east-1", AWS_ALLOW_HTTP: "true" };
    } else muara = await startMuara(folder.path);
    published = await publishSales(muara, 2_000);
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
      const deltaRs = await runPython(SCRIPT_DELTA_RS, asked);
      const polars = await runPython(SCRIPT_POLARS, asked);
      const summary = summaryOf(published);
      const [[rows, amount, quantity]] = (await muara.sql(
        `SELECT count(*), sum(amount), sum(quantity) FROM "shop.sale"`,
      )) as [[string, string, string]];
      expect([Number(rows), amount, quantity]).toEqual([summary.rows, summary.amount, summary.quantity]);
      for (const foreign of [deltaRs, polars]) expect(foreign).toEqual(summary);
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
