/** The page of extracts in a real browser: versions, files, receipts that differ, who has it, scripts to copy. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import type { Manifest } from "../../lake/extract/manifest.ts";
import { axe, openPage, overhang, type OpenPage } from "../services/browser.ts";
import { useStacks } from "./lakes.ts";
import { standsDeadFromTheStart, standsEmpty, standsSlowAndDead, standsWithData } from "./page-checks.ts";
import { FEED } from "./seeded-lake.ts";

const lakes = useStacks(true);

const DETAIL = `/extracts?feed=${FEED}`;
const states = (path: string, live: string) => ({ browser: lakes.browser, at: lakes.full, path, live });

function open(path: string, width = 1280): Promise<OpenPage> {
  return openPage(lakes.browser, lakes.full.url, path, { token: lakes.full.token, width });
}

test("the list: live, empty, slow, dead", async () => {
  const list = states("/extracts", `tbody tr:has-text("${FEED}")`);
  await standsWithData(list);
  await standsEmpty({ ...list, at: lakes.empty }, "No extract is declared");
  await standsSlowAndDead(list);
  await standsDeadFromTheStart(list);
});

test("one feed: live in every tab, slow, dead, and one that is not there", async () => {
  for (const tab of ["versions", "receipts", "fetches", "load"]) {
    await using opened = await open(`${DETAIL}&tab=${tab}`, 360);
    await opened.page.locator(`#panel-${tab} :is(td, pre, .empty)`).first().waitFor();
    expect(await axe(opened.page), tab).toEqual([]);
    expect(await overhang(opened.page), tab).toBe(0);
    expect(opened.complaints, tab).toEqual([]);
  }
  await standsWithData(states(DETAIL, ".tile"));
  await standsSlowAndDead(states(DETAIL, ".tile"));
  await using missing = await open("/extracts?feed=no_such");
  await missing.page.locator(".empty", { hasText: 'no extract "no_such"' }).waitFor();
});

test("a version's windows and files are the manifest's; a file is taken, and looking is no fetch", async () => {
  await using opened = await open(DETAIL);
  const { page } = opened;
  const version = page.locator('section[aria-label="Version 1"]');
  await version.locator("td").first().waitFor();
  const manifest = await lakes.full.get<Manifest>(`/v1/extracts/${FEED}/versions/1/manifest?look=true`);
  const [window] = manifest.partitions;
  const text = await version.innerText();
  for (const said of [window!.hour!, String(window!.rows), `number ${window!.totals["number"]!}`, "first"])
    expect(text).toContain(said);
  expect(await lakes.full.get(`/v1/extracts/${FEED}/fetches`)).toEqual({ items: [] });
  const waiting = page.waitForEvent("download");
  await version.locator("button", { hasText: "Download" }).click();
  const file = await (await waiting).path();
  expect(
    createHash("sha256")
      .update(await readFile(file))
      .digest("hex"),
  ).toBe(manifest.files[0]!.sha256);
  await page.locator('[role="tab"]', { hasText: "Who has it" }).click();
  await page.locator("#panel-fetches tbody tr").waitFor();
  const [fetched] = (await lakes.full.get<{ items: { by: string }[] }>(`/v1/extracts/${FEED}/fetches`)).items;
  expect(await page.locator("#panel-fetches tbody td").allInnerTexts()).toEqual(
    expect.arrayContaining(["1", fetched!.by, "no"]),
  );
});

test("a receipt that differs is told with what was expected", async () => {
  await using opened = await open("/extracts");
  const { page } = opened;
  await page.locator("tbody", { hasText: "1 differ, version 1" }).waitFor();
  await page.locator("tbody a", { hasText: FEED }).click();
  await page.locator('.tile[data-tone="bad"]', { hasText: "differs" }).waitFor();
  await page.locator('[role="tab"]', { hasText: "Receipts" }).click();
  await page.locator("#panel-receipts li", { hasText: "rows 60, said 59" }).waitFor();
});

test("scripts are those of the API, for the warehouse and the table that the address says", async () => {
  await using opened = await open(`${DETAIL}&tab=load&target=redshift`);
  const { page } = opened;
  await page.locator("#panel-load pre").first().waitFor();
  await page.locator("#script-table").fill("dwh.orders");
  await page.keyboard.press("Enter");
  await page
    .locator("#panel-load pre", { hasText: /dwh"?[.]"?orders/ })
    .first()
    .waitFor();
  for (const [at, kind] of ["ddl", "load"].entries()) {
    const route = `/v1/extracts/${FEED}/versions/1/${kind}?target=redshift&table=dwh.orders`;
    const wanted = await (await lakes.full.call("GET", route)).text();
    expect((await page.locator("#panel-load pre").nth(at).textContent())!.trim()).toBe(wanted.trim());
  }
  expect(new URL(page.url()).searchParams.get("table")).toBe("dwh.orders");
});

test("what makes a version asks first", async () => {
  await using opened = await open(DETAIL);
  const { page } = opened;
  let asked = 0;
  page.on("request", (request) => (asked += request.url().endsWith("/make") ? 1 : 0));
  await page.locator("button", { hasText: "Look now" }).click();
  await page.locator("dialog[open]").waitFor();
  expect(await axe(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await expect.poll(() => page.locator("dialog[open]").count()).toBe(0);
  expect(asked).toBe(0);
  await page.locator("button", { hasText: "Look now" }).click();
  await page.locator("dialog button", { hasText: "Make it" }).click();
  await page.locator('[role="status"]', { hasText: "Nothing new is due" }).waitFor();
  expect(asked).toBe(1);
});
