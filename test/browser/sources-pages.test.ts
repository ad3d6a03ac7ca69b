/** What Muara listens to and sends to, on the page of the system: a real PostgreSQL, a receiver that takes nothing. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openPage } from "../services/browser.ts";
import { handlingServer } from "../services/handling-server.ts";
import { eventually, temporaryFolder } from "../services/muara.ts";
import { type PostgresServer, startPostgres } from "../services/postgres.ts";
import { useProcesses } from "./lakes.ts";
import { saying, seen, standsDeadFromTheStart, standsSlowAndDead, standsWithData } from "./page-checks.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 180_000 });

const environment: Record<string, string> = {};
const cleanups: (() => Promise<unknown>)[] = [];
let postgres: PostgresServer;
let refusing: string;

beforeAll(async () => {
  postgres = await startPostgres();
  cleanups.push(() => postgres.stop());
  const database = await postgres.freshDatabase();
  await postgres.sql("CREATE TABLE accounts (id int PRIMARY KEY, owner text)", [], database);
  await postgres.sql("INSERT INTO accounts VALUES (1, 'ann'), (2, 'bob'), (3, 'eve')", [], database);
  const server = handlingServer(async (_, response) => void response.writeHead(503).end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  refusing = `http://127.0.0.1:${(server.address() as { port: number }).port}/orders?key=s3cret`;
  const { host, port, user } = postgres;
  const folder = await temporaryFolder("sources");
  cleanups.push(folder.remove);
  environment["MUARA_CONFIG"] = join(folder.path, "muara.config.js");
  const config = {
    postgres: { shop1: { host, port, user, database } },
    capture: { statusMs: 200, pauseMsMax: 500 },
    outgoing: { allow: ["127.0.0.1"] },
    deliver: { everyMs: 50, pauseMsMax: 500 },
  };
  await writeFile(environment["MUARA_CONFIG"], `export default ${JSON.stringify(config)};\n`);
});
const lakes = useProcesses("sources-pages", environment, fill);
afterAll(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

async function post(path: string, body: unknown): Promise<void> {
  const answer = await lakes.full.fetch(path, { method: "POST", body: JSON.stringify(body) });
  expect([path, answer.status, await answer.text()]).toEqual([path, 201, expect.any(String)]);
}

async function first<Shown>(path: string): Promise<Shown> {
  const { items } = (await (await lakes.full.fetch(path)).json()) as { items: Shown[] };
  return items[0]!;
}

interface Capture {
  readonly state: string;
  readonly tables: readonly { readonly copied_rows: number }[];
}
interface Delivery {
  readonly state: string;
  readonly problem: string | null;
}

async function fill(): Promise<void> {
  await post("/v1/captures", { name: "accounts", database: "shop1", tables: ["public.accounts"] });
  await eventually("the copy is there, and changes stream", 60_000, async () => {
    const { state, tables } = await first<Capture>("/v1/captures");
    return state === "streaming" && tables[0]?.copied_rows === 3;
  });
  const delivery = { name: "to-the-shop", table: "shop1.public.accounts", url: refusing, from: "begin" };
  await post("/v1/deliveries", delivery);
  await eventually("it has been refused", 60_000, async () => {
    return (await first<Delivery>("/v1/deliveries")).problem !== null;
  });
}

const PAGES = [
  { path: "/system?tab=captures", shows: "public.accounts" },
  { path: "/system?tab=deliveries", shows: "to-the-shop" },
];

test.each(PAGES)("$path in both schemes, at a desk and on a phone", ({ path, shows }) =>
  standsWithData({ browser: lakes.browser, at: lakes.full, path, live: saying(shows) }),
);

test.each(PAGES)("$path says that it loads, that the server is gone, and comes back", async (one) => {
  const asked = { browser: lakes.browser, at: lakes.full, path: one.path, live: saying(one.shows) };
  await standsSlowAndDead(asked);
  await standsDeadFromTheStart(asked);
});

test("a capture is paused when one is sure, and resumed; what the API says is what is shown", async () => {
  await using opened = await openPage(lakes.browser, lakes.full.url, "/system?tab=captures", {
    token: lakes.full.token,
  });
  const { page } = opened;
  await seen(page, "streaming");
  expect(await page.locator("tbody tr").first().locator("td").allTextContents()).toContain("3");
  await page.getByRole("button", { name: "Pause …" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  expect((await first<Capture>("/v1/captures")).state).toBe("streaming");
  await page.getByRole("button", { name: "Pause …" }).click();
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await seen(page, "paused");
  expect((await first<Capture>("/v1/captures")).state).toBe("paused");
  await page.getByRole("button", { name: "Resume …" }).click();
  await page.getByRole("button", { name: "Resume", exact: true }).click();
  await seen(page, "streaming");
});

test("a delivery that is refused says why, and where it goes without what is secret there", async () => {
  await using opened = await openPage(lakes.browser, lakes.full.url, "/system?tab=deliveries", {
    token: lakes.full.token,
  });
  const row = opened.page.locator("tbody tr", { hasText: "to-the-shop" });
  await row.waitFor();
  const { problem } = await first<Delivery>("/v1/deliveries");
  expect(problem).toContain("503");
  expect(await row.textContent()).toContain(problem);
  expect(await opened.page.content()).not.toContain("s3cret");
  expect(await row.locator("a").first().getAttribute("href")).toContain("shop1.public.accounts");
});
