/** The pages of tables in a real browser, beside what the API says. */
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import process from "node:process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { axe, openPage, overhang, type OpenPage } from "../services/browser.ts";
import { useStacks } from "./lakes.ts";
import { standsDeadFromTheStart, standsEmpty, standsSlowAndDead, standsWithData } from "./page-checks.ts";
import { order, send, TYPE } from "./seeded-lake.ts";

const lakes = useStacks(true);

const row = `tbody tr:has-text("${TYPE}")`;
const states = (path: string, live: string) => ({ browser: lakes.browser, at: lakes.full, path, live });

async function open(path: string, width = 1280): Promise<OpenPage> {
  return openPage(lakes.browser, lakes.full.url, path, { token: lakes.full.token, width });
}

test("tables: live, empty, slow, dead", async () => {
  await standsWithData(states("/tables", row));
  await standsEmpty({ browser: lakes.browser, at: lakes.empty, path: "/tables" }, "No table yet");
  await standsSlowAndDead(states("/tables", row));
  await standsDeadFromTheStart(states("/tables", row));
});

test("one table: live in every tab, slow, dead, and one that is not there", async () => {
  for (const tab of ["columns", "partitions", "versions", "quality", "lineage", "use"]) {
    await using opened = await open(`/tables/${TYPE}?tab=${tab}`, 360);
    await opened.page.locator(`#panel-${tab} :is(td, li, pre)`).first().waitFor();
    expect(await axe(opened.page), tab).toEqual([]);
    expect(await overhang(opened.page), tab).toBe(0);
    expect(opened.complaints, tab).toEqual([]);
  }
  await standsWithData(states(`/tables/${TYPE}`, ".tile"));
  await standsSlowAndDead(states(`/tables/${TYPE}`, ".tile"));
  await using missing = await open("/tables/NO_SUCH");
  await missing.page.locator(".error", { hasText: "table.not_found" }).waitFor();
});

test("columns are described: Muara's own by what they are, the others by their schema", async () => {
  await using opened = await open(`/tables/${TYPE}`);
  const { page } = opened;
  const told = (column: string): Promise<string> =>
    page
      .locator("#panel-columns tr", { has: page.locator(`code:text-is("${column}")`) })
      .locator("td")
      .last()
      .innerText();
  await page.locator("#panel-columns td").first().waitFor();
  expect(await told("event_id")).toContain("own id");
  expect(await told("number")).toBe("Number of the order.");
  expect(await told("country")).toBe("–");
  const { tables } = await lakes.full.get<{
    tables: { name: string; columns: { name: string; description: string | null }[] }[];
  }>("/v1/sql/schema");
  const columns = tables.find(({ name }) => name === TYPE)!.columns;
  const described = columns.find(({ name }) => name === "event_id")!;
  expect(described.description).toBe(await told("event_id"));
});

test("figures are the API's, and follow it without a reload", async () => {
  await using opened = await open("/tables");
  const { page } = opened;
  const cells = (): Promise<string[]> => page.locator(`${row} td`).allInnerTexts();
  await page.locator(row).waitFor();
  const before = await lakes.full.get<{ rows: number; files: number }>(`/v1/tables/${TYPE}`);
  expect((await cells())[3]).toBe(String(before.rows));
  expect((await cells())[2]).toContain("in time, target 30 s");
  await send(lakes.full, [order(200), order(201)]);
  await expect.poll(async () => (await cells())[3], { timeout: 20_000 }).toBe(String(before.rows + 2));
});

test("filters stand in the address and survive a reload", async () => {
  await using opened = await open("/tables");
  const { page } = opened;
  await page.locator(row).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("nothing_like_it");
  await page.locator(".empty", { hasText: "No table fits" }).waitFor();
  expect(new URL(page.url()).searchParams.get("name")).toBe("nothing_like_it");
  await page.locator("#filter-name").fill("order");
  await page.locator("#filter-kind").selectOption("event_type");
  await page.reload();
  await page.locator(row).waitFor();
  expect(await page.locator("#filter-name").inputValue()).toBe("order");
  expect(await page.locator("#filter-kind").inputValue()).toBe("event_type");
  await page.locator("#filter-kind").selectOption("house");
  await page.locator("#filter-name").fill("");
  await page.locator('tbody tr:has-text("dead_letters")').waitFor();
});

test("a table that is late says so, by partition", async () => {
  await using opened = await open(`/tables/${TYPE}?tab=partitions`);
  const { page } = opened;
  await page.locator('#panel-partitions td:has-text("nothing waits")').first().waitFor();
  const declared = await lakes.full.get<Record<string, unknown>>(`/event-types/${TYPE}`);
  const annotations = { "muara/freshness": "1 ms" };
  expect((await lakes.full.call("PUT", `/event-types/${TYPE}`, { ...declared, annotations })).status).toBe(
    200,
  );
  expect((await lakes.full.call("POST", `/v1/tables/${TYPE}/pause`, { for_ms: 600_000 })).status).toBe(200);
  await send(lakes.full, [order(210)]);
  await page.locator('.tile[data-tone="bad"]', { hasText: "late" }).waitFor();
  const lags = await page.locator("#panel-partitions table").first().locator("tbody tr").allInnerTexts();
  expect(lags.filter((text) => text.includes("nothing waits"))).toHaveLength(1);
  expect((await lakes.full.call("POST", `/v1/tables/${TYPE}/resume`)).status).toBe(200);
  await expect.poll(() => page.locator('.tile[data-tone="bad"]').count(), { timeout: 20_000 }).toBe(0);
});

test("versions are compared, and asked about as of one", async () => {
  await using opened = await open(`/tables/${TYPE}?tab=versions`);
  const { page } = opened;
  await page.locator("#diff-from").fill("0");
  await page.locator("#diff-to").fill("2");
  await page.keyboard.press("Enter");
  const said = page.locator('section[aria-label="What changed"]');
  await said.waitFor();
  const diff = await lakes.full.get<{ added: { rows: number } }>(`/v1/tables/${TYPE}/diff?from=0&to=2`);
  expect(await said.innerText()).toContain(`${diff.added.rows} rows in`);
  expect(page.url()).toContain("from=0&to=2");
  await page.locator("a", { hasText: "Query at version 1" }).first().click();
  await page.locator("h1", { hasText: "Query" }).waitFor();
  expect(new URL(page.url()).searchParams.get("at")).toBe("1");
  await page.locator(".query-said", { hasText: "as of 1" }).waitFor();
});

test("snippets run as they are copied", async () => {
  await using opened = await open(`/tables/${TYPE}?tab=use`);
  const { page } = opened;
  const snippet = (title: string): Promise<string> => page.locator(`pre[aria-label="${title}"]`).innerText();
  await page.locator('pre[aria-label="curl"]').waitFor();
  const { rows } = await lakes.full.get<{ rows: number }>(`/v1/tables/${TYPE}`);
  const env = { ...process.env, MUARA_TOKEN: lakes.full.token };
  const { stdout } = await promisify(execFile)("bash", ["-c", `${await snippet("curl")} --silent`], { env });
  expect((JSON.parse(stdout) as { rows: unknown }).rows).toEqual([[String(rows)]]);
  const answer = await lakes.full.call("POST", "/v1/sql", { sql: await snippet("SQL") });
  expect(((await answer.json()) as { rows: unknown[] }).rows).toHaveLength(Math.min(100, rows));
  const location = /scan_delta\("(.*)"\)/.exec(await snippet("Any reader of Delta"))![1]!;
  expect(await readdir(location)).toContain("_delta_log");
});

test("lineage leads to what reads the table; quality shows its books and dead letters", async () => {
  await using opened = await open(`/tables/${TYPE}?tab=lineage`);
  const { page } = opened;
  await page.locator('section[aria-label="Goes to"] a', { hasText: "orders_hourly" }).click();
  await page.locator("h1", { hasText: "orders_hourly" }).waitFor();
  await page.goBack();
  await page.locator('section[aria-label="Comes from"] a', { hasText: TYPE }).click();
  await page.locator("h1", { hasText: "Live" }).waitFor();
  expect(new URL(page.url()).searchParams.get("type")).toBe(TYPE);
  await page.goBack();
  await page.locator('[role="tab"]', { hasText: "Quality" }).focus();
  await page.locator('[role="tab"]', { hasText: "Quality" }).click();
  await page.locator(".equation").waitFor();
  const { items } = await lakes.full.get<{ items: { accepted: number; dead_letters: number }[] }>(
    `/v1/books?event_type=${TYPE}`,
  );
  expect(await page.locator(".equation").innerText()).toContain(`${items[0]!.accepted} accepted`);
  await page.locator('a[href^="/dead-letters?"]').click();
  await page.locator("h1", { hasText: "Dead letters" }).waitFor();
});
