/** What every page of the dashboard must stand: an empty lake, a server that dies and comes back, one that is slow. */
import { expect } from "vitest";
import type { Browser, Page } from "playwright-core";
import { axe, between, openPage, overhang } from "../services/browser.ts";
import type { MuaraProcess } from "../services/muara.ts";

export interface PageCase {
  readonly path: string;
  /** Text that is there with data, and only with it. */
  readonly shows: string;
}

const SLOW_MS = 1_200;

/** With data in both schemes, at a desk and on a phone. */
export async function standsWithData(
  browser: Browser,
  { url, token }: MuaraProcess,
  { path, shows }: PageCase,
): Promise<void> {
  for (const options of [{ scheme: "light" }, { scheme: "dark", width: 360, height: 760 }] as const) {
    await using opened = await openPage(browser, url, path, { ...options, token });
    await seen(opened.page, shows);
    expect([path, options.scheme, await axe(opened.page)]).toEqual([path, options.scheme, []]);
    expect([path, options.scheme, await overhang(opened.page)]).toEqual([path, options.scheme, 0]);
    expect([path, opened.complaints]).toEqual([path, []]);
  }
}

/** @param command that fills it */
export async function standsEmpty(
  browser: Browser,
  { url, token }: MuaraProcess,
  path: string,
  [title, command]: readonly [string, string],
): Promise<void> {
  for (const options of [{ scheme: "light" }, { scheme: "dark", width: 360, height: 760 }] as const) {
    await using opened = await openPage(browser, url, path, { ...options, token });
    await opened.page.locator(".empty", { hasText: title }).waitFor();
    await opened.page.locator(".empty code", { hasText: command }).first().waitFor();
    expect([path, options.scheme, await axe(opened.page)]).toEqual([path, options.scheme, []]);
    expect([path, options.scheme, await overhang(opened.page)]).toEqual([path, options.scheme, 0]);
    expect([path, opened.complaints]).toEqual([path, []]);
  }
}

/** It says so, keeps what it had, and goes on when it is asked to. */
export async function standsDeath(
  browser: Browser,
  { url, token }: MuaraProcess,
  { path, shows }: PageCase,
): Promise<void> {
  const way = await between(url);
  try {
    await using opened = await openPage(browser, way.url, path, { token });
    const { page } = opened;
    await seen(page, shows);
    way.die();
    await page.locator(".error").first().waitFor();
    await seen(page, shows);
    expect([path, await axe(page)]).toEqual([path, []]);
    way.revive();
    await expect
      .poll(
        async () => {
          // It may go on by itself before anybody asks.
          const again = page.locator(".error button").first();
          if (await again.isVisible()) await again.click({ timeout: 1_000 }).catch(() => undefined);
          return page.locator(".error").count();
        },
        { timeout: 30_000, interval: 500 },
      )
      .toBe(0);
    await seen(page, shows);
  } finally {
    await way.close();
  }
}

/** It says that it loads until the answer is there. */
export async function standsSlowness(
  browser: Browser,
  { url, token }: MuaraProcess,
  { path, shows }: PageCase,
): Promise<void> {
  const way = await between(url);
  try {
    way.slow(SLOW_MS);
    await using opened = await openPage(browser, way.url, path, { token });
    await opened.page.locator(".loading").first().waitFor();
    expect([path, await opened.page.getByText(shows).count()]).toEqual([path, 0]);
    await seen(opened.page, shows);
  } finally {
    await way.close();
  }
}

export async function seen(page: Page, text: string): Promise<void> {
  await page.locator("main").getByText(text).filter({ visible: true }).first().waitFor();
}
