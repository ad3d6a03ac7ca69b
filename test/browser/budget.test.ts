/** What the dashboard costs: bytes of the first load, and of a core while twelve thousand events a second come. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, CDPSession } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUILT } from "../../api/dashboard/build.ts";
import { orderEvent, orderType } from "../api/stack.ts";
import { launchBrowser, openPage } from "../services/browser.ts";
import { eventually, startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";

const FIRST_LOAD_MAX = 60_000;
const EDITOR_MAX = 160_000;
const FIRST_NUMBER_MS_MAX = 1_000;
const PER_SECOND = 12_000;
const BATCH = 1_000;
const MEASURE_MS = 5_000;
const SHARE_MAX = 0.3;
const TYPE = "load.order";

let browser: Browser;
let muara: MuaraProcess;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder("budget");
  [browser, muara] = await Promise.all([launchBrowser(), startMuara(join(folder.path, "data"))]);
});
afterAll(async () => {
  await browser?.close();
  await muara?.stop();
  await folder.remove();
});

test("the first load is at most 60 kB compressed, and no other piece is larger than the editor may be", async () => {
  await using opened = await openPage(browser, muara.url, "/", { token: muara.token });
  await opened.page.locator(".empty").waitFor();
  const loaded = await opened.page.evaluate(() =>
    performance.getEntriesByType("resource").flatMap(({ name }) => (name.includes("/assets/") ? [name] : [])),
  );
  const sizes = await Promise.all(
    loaded.map(async (name) => {
      const path = join(BUILT, new URL(name).pathname);
      return (await readFile(`${path}.gz`).catch(() => readFile(path))).length;
    }),
  );
  const page = (await readFile(join(BUILT, "index.html"))).length;
  const total = sizes.reduce((sum, size) => sum + size, page);
  console.log(`first load: ${total} bytes compressed in ${loaded.length + 1} files`);
  expect(loaded.length).toBeGreaterThan(3);
  expect(total).toBeLessThan(FIRST_LOAD_MAX);
  const pieces = (await readdir(join(BUILT, "assets"))).filter((name) => name.endsWith(".gz"));
  const all = await Promise.all(
    pieces.map(async (name) => (await readFile(join(BUILT, "assets", name))).length),
  );
  expect(Math.max(...all)).toBeLessThan(EDITOR_MAX);
});

test("files are cached for ever by name, the page is asked for anew, and nothing else may run in it", async () => {
  const page = await fetch(`${muara.url}/jobs/x?y=1`);
  expect(page.headers.get("cache-control")).toBe("no-cache");
  const policy = page.headers.get("content-security-policy")!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
  const etag = page.headers.get("etag")!;
  const again = await fetch(`${muara.url}/`, { headers: { "if-none-match": etag } });
  expect(again.status).toBe(304);
  const [script] = /\/assets\/[^"]+\.js/.exec(await page.text())!;
  const asset = await fetch(muara.url + script, { headers: { "accept-encoding": "gzip" } });
  expect(asset.headers.get("cache-control")).toContain("immutable");
  expect(asset.headers.get("content-encoding")).toBe("gzip");
  const plain = await fetch(muara.url + script, { headers: { "accept-encoding": "identity" } });
  expect(await plain.text()).toBe(await asset.text());
  for (const path of ["/assets/none.js", "/assets/..%2f..%2fpackage.json"])
    expect((await fetch(muara.url + path)).status).toBe(404);
  for (const path of ["/nowhere", "/tables/a/b"])
    expect((await fetch(muara.url + path)).headers.get("content-type")).toContain("application/problem+json");
});

/** Publishes so many events a second until told to stop. @returns how many it sent */
async function publish(signal: AbortSignal): Promise<number> {
  const startedMs = performance.now();
  let sent = 0;
  while (!signal.aborted) {
    const dueMs = (sent / PER_SECOND) * 1_000 - (performance.now() - startedMs);
    if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
    const events = Array.from({ length: BATCH }, (_, at) => orderEvent(sent + at, "1")).join(",");
    const answer = await muara.fetch(`/event-types/${TYPE}/events`, { method: "POST", body: `[${events}]` });
    if (answer.ok) sent += BATCH;
    await answer.arrayBuffer();
  }
  return sent;
}

/** Seconds of the page's main thread since it was opened. */
async function taskSeconds(session: CDPSession): Promise<number> {
  const { metrics } = await session.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration")!.value;
}

test("12,000 events a second in the tail take at most 30 % of a core", async () => {
  expect(
    (await muara.fetch("/event-types", { method: "POST", body: JSON.stringify(orderType(TYPE, 2)) })).status,
  ).toBe(201);
  await using opened = await openPage(browser, muara.url, `/live?type=${TYPE}`, { token: muara.token });
  const { page } = opened;
  const abort = new AbortController();
  const startedMs = performance.now();
  const publishing = publish(abort.signal);
  publishing.catch(() => undefined);
  await page.locator(".tail-row .badge", { hasText: "landed" }).first().waitFor();
  const note = page.locator('[data-note="rate"]');
  await eventually("thousands a second", 20_000, async () =>
    /of \d{1,2},\d{3}\/s/.test((await note.textContent()) ?? ""),
  );
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const before = await taskSeconds(session);
  const fromMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, MEASURE_MS));
  const seconds = (performance.now() - fromMs) / 1_000;
  const share = ((await taskSeconds(session)) - before) / seconds;
  const shown = await note.textContent();
  abort.abort();
  const sent = await publishing;
  const perSecond = Math.round((sent / (performance.now() - startedMs)) * 1_000);
  console.log(`${perSecond} events/s sent, page: ${shown}, ${Math.round(share * 1_000) / 10} % of a core`);
  expect(share).toBeLessThan(SHARE_MAX);
  expect(await page.locator(".tail-row").count()).toBeLessThan(60);
  expect(opened.complaints).toEqual([]);
});

test("the first number is there within a second of the first opening, with nothing in the cache", async () => {
  const looks: number[] = [];
  // A context has a cache and a profile of its own. The best of three, since others use the machine, too.
  for (let look = 0; look < 3; look++) {
    await using opened = await openPage(browser, muara.url, "/", { token: muara.token });
    await opened.page.locator(".flow-figure", { hasText: /\d/ }).first().waitFor();
    looks.push(Math.round(await opened.page.evaluate(() => performance.now())));
    expect(opened.complaints).toEqual([]);
  }
  console.log(`first number of a first opening after ${looks.join(", ")} ms`);
  expect(Math.min(...looks)).toBeLessThan(FIRST_NUMBER_MS_MAX);
});
