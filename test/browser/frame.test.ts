/** The dashboard's frame in a real browser: every address opens, the token stays where it belongs, keys and phones. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PAGES } from "../../api/dashboard/addresses.ts";
import { axe, launchBrowser, openPage, overhang } from "../services/browser.ts";
import { startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";

let browser: Browser;
let muara: MuaraProcess;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder("dashboard");
  [browser, muara] = await Promise.all([launchBrowser(), startMuara(`${folder.path}/data`)]);
});
afterAll(async () => {
  await browser?.close();
  await muara?.stop();
  await folder.remove();
});

test("the token is taken out of the address, kept for the session, and sent in a header only", async () => {
  await using opened = await openPage(browser, muara.url, "/tables?x=1", { token: muara.token });
  await opened.page.locator("h1").waitFor();
  expect(opened.page.url()).toBe(`${muara.url}/tables?x=1`);
  expect(
    await opened.page.evaluate(() => [sessionStorage.length, localStorage.length, document.cookie]),
  ).toEqual([1, 0, ""]);
  await opened.page.reload();
  await opened.page.locator("h1").waitFor();
  expect(await opened.page.evaluate(() => sessionStorage.getItem("muara.token"))).toBe(muara.token);
  expect(opened.complaints).toEqual([]);
});

test("every address opens its page, from the server and by the navigation", async () => {
  await using opened = await openPage(browser, muara.url, "/", { token: muara.token });
  for (const { path, title } of PAGES.filter((page) => "group" in page)) {
    await opened.page.locator(`nav a[href="${path}"]`).click();
    await opened.page.locator("h1", { hasText: title }).waitFor();
    expect(await opened.page.title()).toBe(`${title} · Muara`);
    expect((await fetch(muara.url + path)).headers.get("content-type")).toBe("text/html; charset=utf-8");
  }
  await opened.page.goBack();
  await opened.page.locator("h1", { hasText: "Processes" }).waitFor();
  expect(opened.complaints).toEqual([]);
});

test("keys go to pages and show themselves", async () => {
  await using opened = await openPage(browser, muara.url, "/", { token: muara.token });
  const { page } = opened;
  await page.locator("h1", { hasText: "Now" }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await page.locator("h1", { hasText: "Tables" }).waitFor();
  await page.keyboard.press("?");
  await page.locator("dialog[open]").waitFor();
  expect(await axe(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await page.locator("dialog:not([open])").waitFor({ state: "attached" });
});

test("a phone has the pages behind a button, and nothing scrolls sideways", async () => {
  await using opened = await openPage(browser, muara.url, "/system", {
    token: muara.token,
    width: 360,
    scheme: "dark",
  });
  const { page } = opened;
  await page.locator("h1").waitFor();
  expect(await overhang(page)).toBe(0);
  await page.locator("button.more").click();
  expect(await axe(page)).toEqual([]);
  await page.locator('nav a[href="/jobs"]').click();
  await page.locator("h1", { hasText: "Jobs" }).waitFor();
  expect(await page.locator("nav a").first().isVisible()).toBe(false);
});
