/** What every page must do: show live data to everybody, say when the lake is empty, the server dead, or slow. */
import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import type { Stack } from "../api/stack.ts";
import { axe, between, openPage, overhang, type Between } from "../services/browser.ts";

export interface StatesOptions {
  readonly browser: Browser;
  readonly stack: Stack;
  readonly path: string;
  /** There once live data is. */
  readonly live: string;
}

/** In light on a desk and in dark on a phone: there, within the window, nothing that axe minds, no complaint. */
export async function checkLive({ browser, stack, path, live }: StatesOptions): Promise<void> {
  for (const look of [
    { scheme: "light", width: 1280 },
    { scheme: "dark", width: 360 },
  ] as const) {
    await using opened = await openPage(browser, stack.url, path, { ...look, token: stack.token });
    await opened.page.locator(live).first().waitFor();
    expect(await axe(opened.page), `${path} ${look.scheme}`).toEqual([]);
    expect(await overhang(opened.page), `${path} ${look.width} px`).toBe(0);
    expect(opened.complaints).toEqual([]);
  }
}

/** Says what fills it, and axe minds nothing. @param text of the empty state */
export async function checkEmpty({ browser, stack, path }: StatesOptions, text: string): Promise<void> {
  await using opened = await openPage(browser, stack.url, path, { scheme: "dark", token: stack.token });
  await opened.page.locator(".empty", { hasText: text }).waitFor();
  expect(await axe(opened.page)).toEqual([]);
  expect(await opened.page.locator('[role="alert"]').count()).toBe(0);
  expect(opened.complaints).toEqual([]);
}

/** A slow server: it says that it loads, then shows. A dead one: it says so, keeps what it has, and comes back. */
export async function checkSlowAndDead(options: StatesOptions): Promise<void> {
  const { browser, stack, path, live } = options;
  const way = await between(stack.url);
  try {
    way.slow(1_200);
    await using opened = await openPage(browser, way.url, path, { token: stack.token });
    const { page } = opened;
    await page.locator(".loading").first().waitFor();
    expect(await page.locator(live).count()).toBe(0);
    await page.locator(live).first().waitFor();
    way.slow(0);
    await checkDead(page, way, live);
  } finally {
    await way.close();
  }
}

/** A page that asks again by itself. */
async function checkDead(page: Page, way: Between, live: string): Promise<void> {
  way.die();
  await page.locator(".error", { hasText: "No answer" }).first().waitFor({ timeout: 30_000 });
  expect(await page.locator(live).count(), "what was there stays").toBeGreaterThan(0);
  way.revive();
  await page.locator(".error button", { hasText: "Try again" }).first().click();
  await expect.poll(() => page.locator(".error").count(), { timeout: 30_000 }).toBe(0);
}

/** Nothing was there before: the error stands alone, and trying again brings the page. */
export async function checkDeadFromTheStart({ browser, stack, path, live }: StatesOptions): Promise<void> {
  await using opened = await openPage(browser, stack.url, "/system", { token: stack.token });
  const { page } = opened;
  await page.locator("h1").waitFor();
  await page.route("**/v1/**", (route) => route.abort());
  await page.evaluate((to) => {
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, path);
  await page.locator(".error").first().waitFor();
  expect(await page.locator(live).count()).toBe(0);
  await page.unroute("**/v1/**");
  await page.locator(".error button", { hasText: "Try again" }).first().click();
  await page.locator(live).first().waitFor();
}
