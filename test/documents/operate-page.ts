/** docs/OPERATE.md: every server that it speaks of, and the tables, jobs and files that its commands name. */
import { handlingServer } from "../services/handling-server.ts";
import { startKafka } from "../services/kafka.ts";
import { startPostgres } from "../services/postgres.ts";
import { startS3 } from "../services/versitygw.ts";
import type { Block } from "./blocks.ts";
import { accepted, decimal, declare, hasRows, publish, text } from "./given.ts";
import type { Place } from "./place.ts";
import type { PageOptions } from "./run-page.ts";

type Given = (place: Place) => Promise<void>;

export async function openOperate(place: Place): Promise<() => Promise<unknown>> {
  const [postgres, kafka, s3] = await Promise.all([startPostgres(), startKafka(), startS3()]);
  const hook = handlingServer(async (request, response) => {
    for await (const _chunk of request); // taken, whatever it is
    response.end();
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  const { host, port, user } = postgres;
  await postgres.sql("CREATE DATABASE shop");
  await postgres.sql("CREATE DATABASE store");
  for (const table of ["customers", "accounts"]) {
    await postgres.sql(`CREATE TABLE ${table} (id int PRIMARY KEY, name text)`, [], "shop");
    await postgres.sql(`INSERT INTO ${table} VALUES (42, 'ann')`, [], "shop");
  }
  const brokers = kafka.broker;
  const config = {
    audit: "on",
    outgoing: { allow: ["127.0.0.1"] },
    postgres: {
      shop1: { host, port, user, database: "shop" },
      store: { host, port, user, database: "store" },
    },
    deliver: { postgres: ["store"], kafka: { main: `kafka://${brokers}` } },
    jobs: { everyMs: 100 },
  };
  await place.write("muara.config.js", `export default ${JSON.stringify(config)};\n`);
  place.environment["AWS_ACCESS_KEY_ID"] = s3.credentials.accessKeyId;
  place.environment["AWS_SECRET_ACCESS_KEY"] = s3.credentials.secretAccessKey;
  place.words.set("kafka://kafka1:9092,kafka2:9092/shop.", `kafka://${brokers}/shop.`);
  place.words.set("s3://lake/shop?region=eu-central-1", await s3.freshAddress());
  const { port: hookPort } = hook.address() as { port: number };
  place.words.set("https://shop.example.org/hook", `http://127.0.0.1:${hookPort}/hook`);
  return async () => {
    hook.closeAllConnections();
    hook.close();
    await Promise.all([postgres.stop(), kafka.stop(), s3.stop()]);
  };
}

const VELOCITY = `CREATE JOB velocity AS SELECT window_start, window_end, count(*) AS orders
FROM TUMBLE("shop.order", event_time, INTERVAL '1 hour') GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE INTO lake velocity`;
const hourly = VELOCITY.replaceAll("velocity", "orders_hourly");
const order = {
  name: "shop",
  activities: {
    ordered: { from: "shop.order", case: "order_number" },
    shipped: { from: "shop.parcel", case: "order_number" },
  },
  deadlines: { shipped_in_time: { from: "ordered", to: "shipped", within: "48 hours" } },
};
const dropped = { name: "OrdersDropped", drop: { table: "shop.order", window_ms: 300_000 } };

/** A word of a block's commands → what must be there before. */
const GIVEN: readonly (readonly [string, Given])[] = [
  ["event-type set order.json", orderType],
  ["accounts.current", captured],
  ["deliver create", delivered],
  ["job plan velocity.sql", (place) => place.write("velocity.sql", VELOCITY)],
  ["process plan shop.json", businessProcess],
  ["orders-dropped.json", (place) => place.write("orders-dropped.json", JSON.stringify(dropped))],
  ["audit verify --head", lastHash],
  ["grants.json", grants],
  ["dead-letters list --type shop.sale", deadLetters],
  ["share revoke sales --recipient", recipient],
];

async function orderType(place: Place): Promise<void> {
  const properties = { country: text, total: decimal };
  await declare(place, "order.created", properties);
  await publish(place, "order.created", [{ country: "DE", total: 12.5 }]);
  await declare(place, "shop.order", { event: text, country: text, total: decimal, order_number: text });
  await publish(place, "shop.order", [{ country: "DE", total: 12.5, order_number: "4711" }]);
  await declare(place, "shop.parcel", { order_number: text });
  await publish(place, "shop.parcel", [{ order_number: "1" }]);
  const grown = { type: "object", properties: { ...properties, note: text } };
  const file = { name: "order.created", schema: { type: "json_schema", schema: grown } };
  await place.write("order.json", JSON.stringify(file));
}

async function captured(place: Place): Promise<void> {
  const tables = ["public.accounts", "public.customers"];
  await accepted(place, "POST", "/v1/captures", { name: "shop1", database: "shop1", tables });
  await hasRows(place, `SELECT 1 FROM "shop1.public.accounts.current"`);
  await hasRows(place, `SELECT 1 FROM "shop1.public.customers"`);
  place.words.set("2026-11-22T13:00:00Z", new Date().toISOString());
}

async function delivered(place: Place): Promise<void> {
  await accepted(place, "POST", "/v1/jobs", { text: hourly });
  await hasRows(place, "SELECT * FROM (DESCRIBE orders_hourly)");
  const orders = { type: "integer" };
  await declare(place, "shop.orders-hourly", { orders });
}

async function businessProcess(place: Place): Promise<void> {
  await place.write("shop.json", JSON.stringify(order));
}

async function lastHash(place: Place): Promise<void> {
  const { out } = await place.run("npx muara -o json audit verify");
  place.words.set("5f0c…", /"(?:head|hash)": "([0-9a-f]{64})"/.exec(out)?.[1] ?? out);
}

async function grants(place: Place): Promise<void> {
  await declare(place, "shop.product", { name: text });
  await publish(place, "shop.product", [{ name: "shoes" }]);
  const rows = "country = 'DE'";
  await place.write(
    "grants.json",
    JSON.stringify([{ action: "read", kind: "table", name: "shop.order", rows }]),
  );
}

async function deadLetters(place: Place): Promise<void> {
  await declare(place, "shop.sale", { sku: text, price: decimal });
  await publish(place, "shop.sale", [{ price: 4.955 }, { price: 1.005 }]);
  await hasRows(place, "SELECT 1 FROM dead_letters WHERE event_type = 'shop.sale' OFFSET 1");
  const [row] = await place.rows(
    "SELECT dead_letter_id FROM dead_letters WHERE event_type = 'shop.sale' ORDER BY ALL LIMIT 1",
  );
  place.words.set("073dc2b8-24b5-4026-b165-9a7034a0a2a6:0:1", String(row![0]));
}

async function recipient(place: Place): Promise<void> {
  const tables = { "order.created": { as: "shop.orders" } };
  await accepted(place, "POST", "/v1/shares", { name: "earlier", tables });
  place.words.set(
    "--recipient ID",
    "--recipient $(npx muara -o json share show sales | grep -oE '[0-9a-f]{12}' | head -1)",
  );
}

async function before(place: Place, block: Block): Promise<void> {
  for (const [word, given] of GIVEN) if (block.text.includes(word)) await given(place);
}

/** A dry run that finds what would be refused, and a dead letter that is replayed already. */
const REFUSES = /replay --type shop.sale --dry-run|price=4.97/;

export const OPERATE: PageOptions = { before, ends: [[REFUSES, 1]] };
