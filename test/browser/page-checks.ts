/** What every page of the dashboard must stand: data, an empty lake, a server that dies and comes back, a slow one. */
import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import { axe, between, openPage, overhang, type OpenPage } from "../services/browser.ts";

export interface PageCase {
  readonly browser: Browser;
  /** The server, in this process or in one of its own. */
  readonly at: { readonly url: string; readonly token: string };
  readonly path: string;
}

export interface DataCase extends PageCase {
  /** Selector of what is there with data, and only with it. */
  readonly live: string;
}

const SLOW_MS = 1_200;
const PHONE = { width: 360, height: 760 };

/** For `live`: a text in the page's own part, where it can be seen. */
export function saying(text: string): string {
  return `main :text(${JSON.stringify(text)}):visible`;
}

export async function seen(page: Page, text: string): Promise<void> {
  await page.locator(saying(text)).first().waitFor();
}

/** With data, in every look. */
export async function standsWithData({ browser, at, path, live }: DataCase): Promise<void> {
  await using opened = await openPage(browser, at.url, path, { token: at.token });
  await opened.page.locator(live).first().waitFor();
  await standsInEveryLook(opened, path);
  await opened.page.locator(live).first().waitFor();
}

/** @param command that fills it; absent where nothing is amiss */
export async function standsEmpty(
  { browser, at, path }: PageCase,
  title: string,
  command?: string,
): Promise<void> {
  await using opened = await openPage(browser, at.url, path, { token: at.token });
  const { page } = opened;
  await page.locator(".empty", { hasText: title }).waitFor();
  if (command !== undefined) await page.locator(".empty code", { hasText: command }).first().waitFor();
  await standsInEveryLook(opened, path);
  expect(await page.locator('[role="alert"]').count()).toBe(0);
}

/** In light at a desk and in dark on a phone: within the window, nothing that axe minds, no complaint. */
async function standsInEveryLook({ page, complaints }: OpenPage, path: string): Promise<void> {
  const check = async (look: string): Promise<void> => {
    expect([path, look, await axe(page)]).toEqual([path, look, []]);
    expect([path, look, await overhang(page)]).toEqual([path, look, 0]);
  };
  await check("light, at a desk");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize(PHONE);
  await check("dark, on a phone");
  expect([path, complaints]).toEqual([path, []]);
}

/** A slow server: it says that it loads until the answer is there. A dead one: it says so, keeps what it has, and
 * goes on when it is asked to. */
export async function standsSlowAndDead({ browser, at, path, live }: DataCase): Promise<void> {
  const way = await between(at.url);
  try {
    way.slow(SLOW_MS);
    await using opened = await openPage(browser, way.url, path, { token: at.token });
    const { page } = opened;
    await page.locator(".loading").first().waitFor();
    expect([path, await page.locator(live).count()]).toEqual([path, 0]);
    await page.locator(live).first().waitFor();
    way.slow(0);
    way.die();
    await page.locator(".error", { hasText: "No answer" }).first().waitFor({ timeout: 30_000 });
    expect(await page.locator(live).count(), "what was there stays").toBeGreaterThan(0);
    expect([path, await axe(page)]).toEqual([path, []]);
    way.revive();
    await goneOn(page);
    await page.locator(live).first().waitFor();
  } finally {
    await way.close();
  }
}

/** Nothing was there before: the error stands alone, and trying again brings the page. */
export async function standsDeadFromTheStart({ browser, at, path, live }: DataCase): Promise<void> {
  await using opened = await openPage(browser, at.url, "/system", { token: at.token });
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
  await goneOn(page);
  await page.locator(live).first().waitFor();
}

/** Asks again as long as it must; not sooner than a slow answer takes, since that would end what was asked before. */
async function goneOn(page: Page): Promise<void> {
  const again = page.locator(".error button", { hasText: "Try again" }).first();
  await expect
    .poll(
      async () => {
        // It may have gone on by itself.
        if (await again.isVisible()) await again.click({ timeout: 1_000 }).catch(() => undefined);
        const gone = page.locator(".error").first().waitFor({ state: "detached", timeout: 5_000 });
        return gone.then(
          () => true,
          () => false,
        );
      },
      { timeout: 30_000 },
    )
    .toBe(true);
}
