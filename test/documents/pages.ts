/** Pages whose blocks are executed, and what a reader of each has at that place. */
import { startPostgres, type PostgresServer } from "../services/postgres.ts";
import { startS3 } from "../services/versitygw.ts";
import { accepted, decimal, declare, hasRows, planned, publish, text, whole } from "./given.ts";
import type { Place } from "./place.ts";
import { NOTEBOOKS, openNotebooks } from "./notebooks-page.ts";
import { OPERATE, openOperate } from "./operate-page.ts";
import type { PageOptions } from "./run-page.ts";

export interface Page {
  readonly page: string;
  /** Before the first block; what it returns is done at the end. */
  readonly open?: (place: Place) => Promise<() => Promise<unknown>>;
  readonly options?: PageOptions;
}

async function configure(place: Place, config: object): Promise<void> {
  await place.write("muara.config.js", `export default ${JSON.stringify(config)};\n`);
}

const nothing = async (): Promise<void> => undefined;

async function openCapture(place: Place): Promise<() => Promise<unknown>> {
  const server: PostgresServer = await startPostgres();
  const { host, port, user } = server;
  for (const statement of ["CREATE DATABASE shop", "CREATE ROLE shop_owner"]) await server.sql(statement);
  await server.sql("CREATE TABLE accounts (id int PRIMARY KEY, balance numeric(12,2))", [], "shop");
  await server.sql("CREATE TABLE orders (id int PRIMARY KEY, state text)", [], "shop");
  await server.sql("INSERT INTO accounts VALUES (1, 10), (2, 20)", [], "shop");
  await configure(place, { postgres: { shop1: { host, port, user, database: "shop" } } });
  // The test's own user has that name.
  place.words.set("ROLE muara", "ROLE muara_of_page");
  place.words.set(" TO muara", " TO muara_of_page");
  asked = (sql) => server.sql(sql, [], "shop");
  return () => server.stop();
}
/** Of the page that is executed now. */
let asked: (sql: string) => Promise<unknown> = nothing;

async function everyStatement(_place: Place, sql: string): Promise<void> {
  const bare = sql.replace(/--.*$/gm, "");
  // A transaction is one; the rest is not allowed inside of one.
  const statements = bare.includes("BEGIN") ? [bare] : bare.split(";");
  for (const statement of statements) if (statement.trim() !== "") await asked(statement);
}

export const PAGES: readonly Page[] = [
  {
    page: "README.md",
    options: {
      isAlone: true,
      before: async (place) => {
        if (!(await place.isServing())) return;
        const [row] = await place
          .rows("SELECT event_id FROM duplicates LIMIT 1")
          .catch((): unknown[][] => []);
        if (row) place.words.set("8f5bed8c-89c1-4528-8db5-b3802c0f02f3", String(row[0]));
      },
    },
  },
  {
    page: "docs/ALERTS.md",
    open: async (place) => {
      const receivers = {
        chat: { webhook: "http://127.0.0.1:9/" },
        oncall: { webhook: "http://127.0.0.1:9/" },
      };
      await configure(place, { outgoing: { allow: ["127.0.0.1:9"] }, alerts: { receivers } });
      return nothing;
    },
    options: {
      files: ["card-testing.json"],
      before: async (place, block, index) => {
        if (index === 0) {
          await declare(place, "payment.made", { card: text });
          await declare(place, "price.changed", { article: text, price: decimal });
          await publish(
            place,
            "payment.made",
            [1, 2, 3, 4].map(() => ({ card: "4711" })),
          );
          await publish(place, "price.changed", [{ article: "a", price: 10 }]);
        }
        if (!block.text.includes("silence expire")) return;
        const matchers = 'card="4711"';
        const made = await place.call("POST", "/v1/silences", {
          matchers,
          for_ms: 1_800_000,
          comment: "own",
        });
        place.words.set("09535239-aec9-4b8f-991d-ae338eda951a", ((await made.json()) as { id: string }).id);
      },
      // The condition of a rule: it is declared as one.
      sql: (place, sql) => accepted(place, "POST", "/v1/rules", { name: "OfThePage", sql: { query: sql } }),
    },
  },
  {
    page: "docs/CAPTURE.md",
    open: openCapture,
    options: {
      before: async (place, block) => {
        if (block.text.includes("reconcile"))
          await hasRows(place, `SELECT 1 FROM "shop1.public.accounts" WHERE id = 2`);
        // The page shows first what this needs: rows come once the capture has begun.
        if (block.text.includes("state = 'paid'")) await asked("INSERT INTO orders VALUES (42, 'new')");
      },
      sql: everyStatement,
      ends: [[/capture check/, 0]],
    },
  },
  {
    page: "docs/JOBS.md",
    open: async (place) => {
      const store = { host: "127.0.0.1", port: 9, database: "warehouse", user: "muara" };
      await configure(place, { postgres: { warehouse: store }, deliver: { postgres: ["warehouse"] } });
      return nothing;
    },
    options: {
      before: async (place, _block, index) => {
        if (index > 0) return;
        const order = { order_id: text, country: text, amount: decimal, parcel_count: whole };
        await declare(place, "shop.order", order);
        await declare(place, "shop.shipment", { order_id: text });
        await declare(place, "shop.trade", { symbol: text, amount: decimal });
        await declare(place, "shop.price", { symbol: text, price: decimal });
        await declare(place, "shop.parcel", { order_id: text, parcel_id: text });
        for (const name of ["shop.order", "shop.shipment", "shop.trade", "shop.price", "shop.parcel"])
          await publish(place, name, [{}]);
        const hourly = `SELECT window_start, window_end, country, count(*) AS orders
          FROM TUMBLE("shop.order", event_time, INTERVAL '1 hour') GROUP BY window_start, window_end, country`;
        const job = `CREATE JOB orders_hourly AS ${hourly} EMIT ON WINDOW CLOSE INTO lake orders_hourly`;
        await accepted(place, "POST", "/v1/jobs", { text: job });
        await hasRows(place, "SELECT * FROM (DESCRIBE orders_hourly)");
      },
      sql: async (place, sql, index) => {
        const isOwn = sql.includes("INTO lake orders_hourly");
        await planned(place, isOwn ? sql.replaceAll("orders_hourly", "orders_by_hour") : sql, index);
      },
    },
  },
  {
    page: "docs/EXPORT.md",
    options: {
      before: async (place) => {
        await declare(place, "shop.order", { amount: decimal });
        await publish(place, "shop.order", [{ amount: 1 }]);
        const job = `CREATE JOB velocity AS SELECT window_start, window_end, count(*) AS orders
          FROM TUMBLE("shop.order", event_time, INTERVAL '1 hour') GROUP BY window_start, window_end
          EMIT ON WINDOW CLOSE INTO lake velocity`;
        await place.write("velocity.sql", job);
        await accepted(place, "POST", "/v1/jobs", { text: job });
      },
    },
  },
  {
    page: "docs/EXTRACTS.md",
    open: async (place) => {
      const sql = "SELECT event_id, event_time, number FROM ORDER_PLACED";
      const feed = { sql, window: "hour", time: "event_time", key: ["event_id"] };
      await configure(place, { extracts: { orders_hourly: feed }, extract: { everyMs: 500 } });
      return nothing;
    },
    options: {
      before: async (place) => {
        await declare(place, "ORDER_PLACED", { number: whole });
        const hours = [3, 2, 0].map((ago, index) => ({
          metadata: {
            eid: crypto.randomUUID(),
            occurred_at: new Date(Date.now() - ago * 3_600_000 - 60_000).toISOString(),
          },
          number: index,
        }));
        await publish(place, "ORDER_PLACED", hours);
        const deadline = Date.now() + 60_000;
        while (!(await place.run("npx muara -o json extract list")).out.includes('"version": 1')) {
          if (Date.now() > deadline) throw new Error("no version of the feed was made");
          await accepted(place, "POST", "/v1/extracts/orders_hourly/make");
        }
      },
    },
  },
  { page: "docs/OPERATE.md", open: openOperate, options: OPERATE },
  {
    page: "docs/EDGE.md",
    open: async (place) => {
      const s3 = await startS3();
      const { accessKeyId, secretAccessKey } = s3.credentials;
      place.words.set(
        "AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…",
        `AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY="${secretAccessKey}"`,
      );
      place.words.set("s3://my-bucket/log?endpoint=…", await s3.freshAddress());
      return () => s3.stop();
    },
    options: { isAlone: true },
  },
  {
    page: "docs/DASHBOARD.md",
    options: {
      before: async (place, _block, index) => {
        if (index === 0) await declare(place, "ORDER_CREATED", { country: text });
      },
    },
  },
  { page: "docs/UPGRADE.md" },
  { page: "notebooks/README.md", open: openNotebooks, options: NOTEBOOKS },
  ...["http", "kernel", "operator", "warehouse"].map((name) => ({
    page: `docs/tutorials/${name}.md`,
    options: { isAlone: true },
  })),
  { page: "docs/tutorials/notebook.md", open: openNotebooks, options: { isAlone: true } },
];
