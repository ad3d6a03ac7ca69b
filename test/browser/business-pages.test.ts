/** The pages of jobs, processes and cases in a real browser, over a process whose cases are known. */
import { expect, test, vi } from "vitest";
import { openPage } from "../services/browser.ts";
import { eventually } from "../services/muara.ts";
import { useProcesses } from "./lakes.ts";
import { saying, seen, standsEmpty, standsSlowAndDead, standsWithData } from "./page-checks.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 180_000 });

const PROCESS = {
  name: "shop",
  description: "From the order to the parcel",
  activities: {
    ordered: { from: "shop.order", case: "number", fields: { country: "country" } },
    shipped: { from: "shop.parcel", case: "number" },
  },
  deadlines: { in_time: { from: "ordered", to: "shipped", within: "48 hours" } },
};
const JOB = "process.shop.in_time";
const HOURLY = `CREATE JOB hourly AS
SELECT window_start, window_end, country, count(*) AS orders
FROM TUMBLE("shop.order", event_time, INTERVAL '1 hour') GROUP BY window_start, window_end, country
EMIT ON WINDOW CLOSE INTO lake hourly;`;
const BEGIN_MS = Date.parse("2026-03-02T00:00:00Z");
const HOUR_MS = 3_600_000;

// Else the watermark goes on once nothing comes any more, and another case is breached.
const lakes = useProcesses("business-pages", { MUARA_LAND_IDLE_AFTER_MS: "3600000" }, fill);

let ids = 0;
async function publish(
  type: string,
  events: readonly (readonly [atHour: number, body: object, id?: number])[],
): Promise<void> {
  const sent = events.map(([hour, body, id = ++ids]) => ({
    metadata: {
      eid: `aaaaaaaa-0000-4000-8000-${String(id).padStart(12, "0")}`,
      occurred_at: new Date(BEGIN_MS + hour * HOUR_MS).toISOString(),
    },
    ...body,
  }));
  const answer = await lakes.full.fetch(`/event-types/${type}/events`, {
    method: "POST",
    body: JSON.stringify(sent),
  });
  expect([answer.status, answer.ok ? "" : await answer.text()]).toEqual([200, ""]);
}

/** 12 orders, one an hour; 0 to 7 shipped in time, 8 late, 9 to 11 never. Case 3 has a duplicate and a late event. */
async function fill(): Promise<void> {
  const properties = { number: { type: "string" }, country: { type: "string" } };
  for (const name of ["shop.order", "shop.parcel"]) {
    const body = JSON.stringify({
      name,
      owning_application: "t",
      category: "business",
      // One partition: the watermark is where the newest event has put it.
      default_statistic: {
        messages_per_minute: 1,
        message_size: 1,
        read_parallelism: 1,
        write_parallelism: 1,
      },
      schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
    });
    expect((await lakes.full.fetch("/event-types", { method: "POST", body })).status).toBe(201);
  }
  const numbers = Array.from({ length: 12 }, (_, n) => n);
  await publish(
    "shop.order",
    numbers.map((n) => [n, { number: `c-${n}`, country: "DE" }] as const),
  );
  await publish("shop.parcel", [
    ...numbers.slice(0, 8).map((n) => [n + 5, { number: `c-${n}` }, 1_000 + n] as const),
    [60, { number: "c-8" }] as const,
  ]);
  await publish("shop.order", [[100, { number: "c-99", country: "AT" }]]);
  await publish("shop.parcel", [[100, { number: "other" }]]);
  await landed("shop.parcel", 10);
  await publish("shop.parcel", [[8, { number: "c-3" }, 1_003]]);
  await publish("shop.parcel", [[9, { number: "c-3" }]]);
  await landed("shop.parcel", 11);
  const deployed = await lakes.full.fetch("/v1/processes", {
    method: "POST",
    body: JSON.stringify({ process: PROCESS }),
  });
  expect([deployed.status, deployed.ok ? "" : await deployed.text()]).toEqual([201, ""]);
  await deploy(HOURLY);
  await eventually("the job has results", 60_000, async () => {
    const rows = await lakes.full.sql(`SELECT count(*) FROM "${JOB}"`).catch(() => []);
    return Number(rows[0]?.[0] ?? 0) >= 12;
  });
  await eventually("the duplicate is in the ledger", 30_000, async () => {
    const rows = await lakes.full.sql("SELECT count(*) FROM duplicates").catch(() => []);
    return Number(rows[0]?.[0] ?? 0) === 1;
  });
}

async function deploy(text: string): Promise<void> {
  const answer = await lakes.full.fetch("/v1/jobs", { method: "POST", body: JSON.stringify({ text }) });
  expect([answer.status, answer.ok ? "" : await answer.text()]).toEqual([201, ""]);
}

async function landed(table: string, rows: number): Promise<void> {
  await eventually(`${table} has ${rows} rows`, 30_000, async () => {
    const found = await lakes.full.sql(`SELECT count(*) FROM "${table}"`).catch(() => []);
    return Number(found[0]?.[0] ?? 0) === rows;
  });
}

const PAGES = [
  { path: "/jobs", shows: JOB },
  { path: `/jobs/${JOB}`, shows: "What it does" },
  { path: `/jobs/${JOB}?tab=results`, shows: "breached" },
  { path: `/jobs/${JOB}?tab=versions`, shows: "Version 1" },
  { path: `/jobs/${JOB}?tab=plan`, shows: "Nothing changes by a plan" },
  { path: `/jobs/${JOB}?tab=trouble`, shows: "Nothing is wrong with it" },
  { path: "/jobs/hourly?tab=export", shows: "CREATE TEMPORARY TABLE" },
  { path: "/process", shows: "median from the one before" },
  { path: "/process?tab=deadlines", shows: "How old those are that are open" },
  { path: "/process?tab=deadlines&rule=in_time&state=breached", shows: "c-10" },
  { path: "/process?tab=variants", shows: "ordered → shipped" },
  { path: "/process?tab=cases", shows: "c-99" },
  { path: "/process?tab=rules", shows: "What is watched" },
  { path: "/cases/c-3?process=shop", shows: "it counts once" },
];
const MAIN = [PAGES[0]!, PAGES[1]!, PAGES[7]!, PAGES[8]!, PAGES[13]!];

test.each(PAGES)("$path in both schemes, at a desk and on a phone", ({ path, shows }) =>
  standsWithData({ browser: lakes.browser, at: lakes.full, path, live: saying(shows) }),
);

test.each([
  ["/jobs", "No job runs yet", "npx muara job deploy"],
  ["/jobs/none", "There is no such job", "npx muara job list"],
  ["/process", "No process is watched yet", "npx muara process deploy"],
  ["/cases/c-1?process=shop", "No event names this case", "npx muara case show c-1 --process shop"],
])("%s with nothing there says what fills it", (path, title, command) =>
  standsEmpty({ browser: lakes.browser, at: lakes.empty, path }, title, command),
);

test.each(MAIN)("$path says that it loads, that the server is gone, and comes back", ({ path, shows }) =>
  standsSlowAndDead({ browser: lakes.browser, at: lakes.full, path, live: saying(shows) }),
);

test("a job is paused and goes on only when it is asked and told so", async () => {
  await using opened = await openPage(lakes.browser, lakes.full.url, `/jobs/${JOB}`, {
    token: lakes.full.token,
  });
  const { page } = opened;
  const state = async (): Promise<string> =>
    ((await (await lakes.full.fetch(`/v1/jobs/${JOB}`)).json()) as { state: string }).state;
  await page.getByRole("button", { name: "Pause …" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  expect(await state()).toBe("running");
  await page.getByRole("button", { name: "Pause …" }).click();
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByRole("button", { name: "Resume …" }).waitFor();
  expect(await state()).toBe("paused");
  await page.getByRole("button", { name: "Resume …" }).click();
  await page.getByRole("button", { name: "Resume", exact: true }).click();
  await page.getByRole("button", { name: "Pause …" }).waitFor();
  await eventually("it runs again", 30_000, async () => (await state()) === "running");
});

test("another text is planned, becomes the next version, and the former one comes back", async () => {
  await using opened = await openPage(lakes.browser, lakes.full.url, `/jobs/${JOB}?tab=plan`, {
    token: lakes.full.token,
  });
  const { page } = opened;
  const area = page.locator("#plan-text");
  await area.waitFor();
  const text = await area.inputValue();
  await area.fill(text.replace("SELECT", "SELECTED"));
  await page.getByRole("button", { name: "Plan it" }).click();
  await page.locator(".error", { hasText: "plan" }).waitFor();
  await area.fill(text.replace("EMIT ON", "\nEMIT ON"));
  await page.getByRole("button", { name: "Plan it" }).click();
  await seen(page, "It would be version 2");
  await page.getByRole("button", { name: "Go on by this text …" }).click();
  await page.getByRole("button", { name: "Upgrade" }).click();
  await page.getByRole("tab", { name: /Texts/ }).click();
  await page.locator("h2", { hasText: "Version 2" }).waitFor();
  await page.getByRole("button", { name: "Go back to this text …" }).click();
  await page.getByRole("button", { name: "Roll back" }).click();
  await page.locator("h2", { hasText: "Version 3" }).waitFor();
  const told = (await (await lakes.full.fetch(`/v1/jobs/${JOB}`)).json()) as {
    text: string;
    version: number;
  };
  expect([told.version, told.text]).toEqual([3, text]);
});

test("the counts of a deadline are those of the cases, and lead to them", async () => {
  await using opened = await openPage(lakes.browser, lakes.full.url, "/process?tab=deadlines", {
    token: lakes.full.token,
  });
  const { page } = opened;
  await page.getByRole("button", { name: "8 met", exact: true }).waitFor();
  await page.getByRole("button", { name: "1 met too late" }).waitFor();
  await page.getByRole("button", { name: "3 breached" }).click();
  expect(new URL(page.url()).searchParams.get("state")).toBe("breached");
  const links = page.locator("td a");
  await links.first().waitFor();
  expect(await links.allTextContents()).toEqual(["c-9", "c-10", "c-11"]);
  await links.first().click();
  await page.locator("h1", { hasText: "Case c-9" }).waitFor();
  await seen(page, "breached");
  await page.goBack();
  await page.getByRole("button", { name: "3 breached", pressed: true }).waitFor();
});

test("a case tells of late and repeated events; the stuck ones are listed, longest silence first", async () => {
  await using opened = await openPage(lakes.browser, lakes.full.url, "/cases/c-3?process=shop", {
    token: lakes.full.token,
  });
  const { page } = opened;
  await page.locator(".timeline li").first().waitFor();
  const fates = await page
    .locator(".timeline li")
    .evaluateAll((items) => items.map((item) => item.getAttribute("data-fate")));
  expect(fates).toEqual(["landed", "landed", "duplicate", "late"]);
  await page.goto(`${lakes.full.url}/process?tab=cases&show=stuck`);
  await page.locator("td a").first().waitFor();
  expect(await page.locator("td a").allTextContents()).toEqual(["c-9", "c-10", "c-11", "c-99"]);
  await page.locator("#filter-q").fill("c-1");
  await expect.poll(() => page.locator("td a").allTextContents()).toEqual(["c-10", "c-11"]);
  expect(new URL(page.url()).searchParams.get("q")).toBe("c-1");
});

test("tabs go by keys, and the filter by its own", async () => {
  await using opened = await openPage(lakes.browser, lakes.full.url, "/process", { token: lakes.full.token });
  const { page } = opened;
  await page.getByRole("tab", { name: "Map" }).focus();
  await page.keyboard.press("ArrowRight");
  await page.getByRole("tab", { name: "Deadlines", selected: true }).waitFor();
  await page.keyboard.press("ArrowLeft");
  await page.getByRole("tab", { name: "Map", selected: true }).waitFor();
  await page.goto(`${lakes.full.url}/jobs`);
  await page.locator("#filter-q").waitFor();
  await page.locator("h1").click();
  await page.keyboard.press("/");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("filter-q");
  await page.keyboard.type("nothing like it");
  await seen(page, "None of 2 jobs is like that");
});
