/** The page for SQL in a real browser: the editor, the rows, the picture, files, links, limits and errors. */
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { ask } from "../lake/extract/independent-rows.ts";
import { axe, between, canvasColors, contrast, openPage, type OpenPage } from "../services/browser.ts";
import { useStacks } from "./lakes.ts";
import { standsEmpty, standsWithData } from "./page-checks.ts";
import { BIG, TYPE } from "./seeded-lake.ts";

const lakes = useStacks();

const link = (sql: string, more: Record<string, string> = {}): string =>
  `/query?${new URLSearchParams({ sql, ...more }).toString()}`;
const BY_COUNTRY = `SELECT country, count(*) AS orders FROM ${TYPE} GROUP BY country ORDER BY country`;
const BY_TIME = `SELECT event_time, number FROM ${TYPE} WHERE number < 1000 ORDER BY event_time`;
const LIST_TAKES_KEYS_MS = 150;
/** Runs until it is cancelled. */
const ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 3";

function open(path: string, more: object = {}): Promise<OpenPage> {
  return openPage(lakes.browser, lakes.full.url, path, { token: lakes.full.token, ...more });
}

async function write(page: Page, sql: string): Promise<void> {
  await page.locator('.sql-editor[data-ready="true"] .cm-content').click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(sql);
}

async function cells(page: Page): Promise<string[][]> {
  const rows = await page.locator(".result-grid tbody tr:not(.grid-gap)").all();
  return Promise.all(rows.map((row) => row.locator("td").allInnerTexts()));
}

test("rows and picture for everybody; an empty lake says how to begin", async () => {
  const options = { browser: lakes.browser, at: lakes.full, path: link(BY_COUNTRY), live: ".result-grid td" };
  await standsWithData(options);
  await standsWithData({ ...options, path: link(BY_COUNTRY, { view: "chart" }), live: ".bars .bar" });
  await standsEmpty({ ...options, at: lakes.empty, path: "/query" }, "Nothing is asked yet");
});

test("what is written runs by Ctrl+Enter; big integers keep their digits, and nothing is not empty", async () => {
  await using opened = await open("/query");
  const { page } = opened;
  await write(page, `SELECT number, note FROM ${TYPE} WHERE number IN (${BIG}, 8) ORDER BY number`);
  await page.keyboard.press("Control+Enter");
  await page.locator(".result-grid td").first().waitFor();
  expect(await cells(page)).toEqual([
    ["1", "8", "n8"],
    ["2", BIG, "NULL"],
  ]);
  expect(await page.locator("td.null").count()).toBe(1);
  const through = await lakes.full.get<{ watermark: string }>(`/v1/tables/${TYPE}`);
  const shown = await page.locator(".as-of time").last().getAttribute("datetime");
  expect(shown).toBe(through.watermark);
  // The link that is copied is the address: opened elsewhere, it gives the same.
  await using other = await open(new URL(page.url()).pathname + new URL(page.url()).search);
  await other.page.locator(".result-grid td").first().waitFor();
  expect(await cells(other.page)).toEqual(await cells(page));
  expect(opened.complaints).toEqual([]);
});

test("an error stands at its place in the editor, with line, column and hint", async () => {
  await using opened = await open("/query");
  const { page } = opened;
  await write(page, `SELECT country,\n  no_such_column\nFROM ${TYPE}`);
  await page.keyboard.press("Control+Enter");
  await page.locator(".error").waitFor();
  expect(await page.locator(".query-place").innerText()).toMatch(/^Line 2, column 3\./);
  expect(await page.locator(".cm-wrong").innerText()).toBe("no_such_column");
  expect(await axe(page)).toEqual([]);
  await page.locator(".cm-content").click();
  await page.keyboard.type(" ");
  expect(await page.locator(".cm-wrong").count()).toBe(0);
});

test("the editor offers tables and columns, and gives Tab back", async () => {
  await using opened = await open("/query");
  const { page } = opened;
  await page.locator(".schema summary", { hasText: TYPE }).waitFor();
  await write(page, `SELECT cou`);
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await page.keyboard.type("SELECT * FROM ORD");
  await page.locator(".cm-tooltip-autocomplete li", { hasText: TYPE }).waitFor();
  // For 75 ms a list takes no key, so that nobody takes what he has not seen (CodeMirror's `interactionDelay`).
  await page.waitForTimeout(LIST_TAKES_KEYS_MS);
  await page.keyboard.press("Enter");
  expect((await page.locator(".cm-line").allInnerTexts()).join("\n")).toBe(`SELECT * FROM ${TYPE}`);
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.textContent?.trim())).toBe("Run");
});

test("a query is cancelled here and on the server; the rows of before stay", async () => {
  await using opened = await open(link(BY_COUNTRY));
  const { page } = opened;
  await page.locator(".result-grid td").first().waitFor();
  await write(page, ENDLESS);
  await page.keyboard.press("Control+Enter");
  await page.locator("button", { hasText: "Cancel" }).waitFor();
  expect(await page.locator(".result-grid td").count()).toBeGreaterThan(0);
  await page.locator(".query-answer", { hasText: "Below are the rows of the query before" }).waitFor();
  await page.locator("button", { hasText: "Cancel" }).click();
  await page.locator(".query-said", { hasText: "Cancelled" }).waitFor();
  // All slots are free again: as many as there are run at once.
  const answers = await Promise.all(
    [1, 2, 3, 4].map((one) =>
      lakes.full.call("POST", "/v1/sql", { sql: `SELECT ${one}`, timeout_ms: 20_000 }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test("a slow server: the seconds run; a dead one: it says so, keeps the rows, and asks again when told", async () => {
  const way = await between(lakes.full.url);
  try {
    way.slow(1_200);
    await using opened = await openPage(lakes.browser, way.url, link(BY_COUNTRY), {
      token: lakes.full.token,
    });
    const { page } = opened;
    await page.locator(".loading", { hasText: "tables" }).waitFor();
    await page.locator('[role="timer"]', { hasText: "ms" }).waitFor();
    expect(await page.locator(".result-grid td").count()).toBe(0);
    expect(await page.locator(".as-of").innerText()).toBe("");
    await page.locator(".result-grid td").first().waitFor();
    await page.locator(".as-of", { hasText: /^as of \d/ }).waitFor();
    const before = await cells(page);
    way.slow(0);
    way.die();
    await page.locator("button", { hasText: "Run" }).click();
    await page.locator(".error", { hasText: "No answer" }).waitFor();
    expect(await cells(page)).toEqual(before);
    await page.locator(".query-answer", { hasText: "Below are the rows of the query before" }).waitFor();
    expect(await axe(page)).toEqual([]);
    way.revive();
    await page.locator(".error button", { hasText: "Try again" }).click();
    await page.locator('.query-answer[data-old="false"]').waitFor();
    expect([await page.locator(".error").count(), await cells(page)]).toEqual([0, before]);
  } finally {
    await way.close();
  }
});

test("no server from the start: both parts say so, and each comes when it is asked for again", async () => {
  await using opened = await open("/system");
  const { page } = opened;
  await page.locator("#panel-health dd").first().waitFor();
  await page.route("**/v1/sql**", (route) => route.abort());
  await page.evaluate((to) => {
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, link(BY_COUNTRY));
  await expect
    .poll(() => page.locator(".error", { hasText: "No answer" }).count(), { timeout: 15_000 })
    .toBe(2);
  await page.unroute("**/v1/sql**");
  await page.locator("aside .error button").click();
  await page.locator(".schema summary", { hasText: TYPE }).waitFor();
  await page.locator(".error button").click();
  await page.locator(".result-grid td").first().waitFor();
  expect(await page.locator(".error").count()).toBe(0);
});

test("time travel: a version gives the rows of then", async () => {
  const count = `SELECT count(*) AS rows FROM ${TYPE}`;
  await using opened = await open(link(count));
  const { page } = opened;
  await page.locator(".result-grid td").first().waitFor();
  const now = (await cells(page))[0]![1];
  await page.locator("#query-at").fill("0");
  await page.keyboard.press("Enter");
  await page.locator(".query-said", { hasText: "as of 0" }).waitFor();
  const answer = await lakes.full.call("POST", "/v1/sql", { sql: count, at: 0 });
  const then = ((await answer.json()) as { rows: string[][] }).rows[0]![0];
  expect((await cells(page))[0]![1]).toBe(then);
  expect(then).not.toBe(now);
  await page.goBack();
  await expect.poll(async () => (await cells(page))[0]?.[1]).toBe(now);
});

test("a hundred thousand rows scroll: few are in the page, the last one is reached", async () => {
  await using opened = await open(link("SELECT range AS n FROM range(100000)", { limit: "100000" }));
  const { page } = opened;
  await page.locator(".query-said", { hasText: "100,000 rows" }).waitFor();
  expect(await page.locator(".result-grid tbody tr").count()).toBeLessThan(120);
  await page.locator(".result-grid").evaluate((frame) => frame.scrollTo({ top: frame.scrollHeight }));
  await page.locator('.result-grid td:text-is("99999")').waitFor();
  await page.locator('button[aria-label="Row 100000, all its values"]').click();
  expect(await page.locator(".row-dialog dd").innerText()).toBe("99999");
  await page.keyboard.press("Escape");
  await page.locator(".row-dialog:not([open])").waitFor({ state: "attached" });
});

test.each([
  ["CSV", "csv", "read_csv"],
  ["Parquet", "parquet", "read_parquet"],
  ["NDJSON", "ndjson", "read_json"],
] as const)("rows are taken along as %s", async (title, ending, reader) => {
  await using opened = await open(link(`SELECT number, note FROM ${TYPE} ORDER BY number`));
  const { page } = opened;
  await page.locator(".result-grid td").first().waitFor();
  const waiting = page.waitForEvent("download");
  await page.locator("button", { hasText: title }).click();
  const taken = await waiting;
  expect(taken.suggestedFilename()).toBe(`query.${ending}`);
  const file = await taken.path();
  expect((await readFile(file)).length).toBeGreaterThan(0);
  const format = ending === "ndjson" ? ", format = 'newline_delimited'" : "";
  const [found] = await ask(`SELECT count(*), max(number::BIGINT) FROM ${reader}('${file}'${format})`);
  expect(found).toBe(`90|${BIG}`);
});

test.each(["light", "dark"] as const)("a chart over time can be seen in %s", async (scheme) => {
  await using opened = await open(link(BY_TIME, { view: "chart" }), { scheme });
  const { page } = opened;
  await page.locator(".chart canvas").waitFor();
  const paper = scheme === "light" ? "255,255,255" : "19,28,35";
  await expect
    .poll(async () =>
      Math.max(...(await canvasColors(page, ".chart canvas")).map((one) => contrast(one, paper)), 0),
    )
    .toBeGreaterThan(3);
  expect(await axe(page)).toEqual([]);
  await page.locator(".chart .plot").focus();
  await page.keyboard.press("ArrowLeft");
  await page.locator(".chart-said", { hasText: "number 89" }).waitFor();
});

test("history is kept in this browser until it is forgotten", async () => {
  await using opened = await open(link(BY_COUNTRY));
  const { page } = opened;
  await page.locator(".history li", { hasText: "3 rows" }).waitFor();
  await page.goto(`${lakes.full.url}/query`);
  await page.locator(".history li button").click();
  await page.locator(".result-grid td").first().waitFor();
  expect(new URL(page.url()).searchParams.get("sql")).toBe(BY_COUNTRY);
  await page.locator("button", { hasText: "Forget them" }).click();
  expect(await page.evaluate(() => localStorage.length)).toBe(0);
});

test("limits are said; more rows than asked for are said to be there", async () => {
  await using opened = await open(link(`SELECT * FROM ${TYPE}`, { limit: "5" }));
  const { page } = opened;
  await page.locator(".query-said", { hasText: "There are more" }).waitFor();
  expect(await page.locator(".limits").innerText()).toContain("30 s");
  await page.locator("#query-limit").fill("999999999");
  await page.keyboard.press("Enter");
  await page.locator(".error", { hasText: "limit is at most" }).waitFor();
});
