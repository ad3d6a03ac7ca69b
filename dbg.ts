import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startMuara, temporaryFolder } from "./test/services/muara.ts";
import { startPostgres } from "./test/services/postgres.ts";
const source = await startPostgres({ autovacuum: "off" });
const folder = await temporaryFolder("dbg");
try {
  await source.sql("create table item (id bigint primary key, note text not null)");
  const { host, port, user } = source;
  const config = join(folder.path, "c.js");
  await writeFile(config, `export default ${JSON.stringify({ postgres: { shop: { host, port, user, database: "postgres" } }, capture: {statusMs: 200} })}`);
  const muara = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: config });
  const r = await muara.fetch("/v1/captures", { method: "POST", body: JSON.stringify({ name: "shop", database: "shop", tables: { "public.item": "shop.item" } }) });
  console.log(r.status, await r.text());
  await source.sql("insert into item values (0, '')");
  for (let i = 0; i < 6; i++) {
    await new Promise((f) => setTimeout(f, 1000));
    console.log((await (await muara.fetch("/v1/captures/shop")).text()).slice(0, 1500));
    try { console.log(await muara.sql('select * from "shop.item"')); } catch (e) { console.log(String(e).slice(0, 300)); }
  }
  console.log(muara.log().slice(-3000));
  await muara.stop();
} finally { await source.stop(); await folder.remove(); }
