/** The page of dead letters in a real browser: groups, one of them, corrected, tried, and sent again. */
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { axe, openPage, overhang, type OpenPage } from "../services/browser.ts";
import { useStacks } from "./lakes.ts";
import { standsDeadFromTheStart, standsEmpty, standsSlowAndDead, standsWithData } from "./page-checks.ts";
import { order, send, TYPE } from "./seeded-lake.ts";

const lakes = useStacks();

interface Letter {
  readonly dead_letter_id: string;
  readonly reason: string;
  readonly state: string;
}

const GROUP = `tbody tr:has-text("${TYPE}")`;
const states = (path: string, live: string) => ({ browser: lakes.browser, at: lakes.full, path, live });

async function letters(state = ""): Promise<readonly Letter[]> {
  const query = state === "" ? "" : `?state=${state}`;
  return (await lakes.full.get<{ items: Letter[] }>(`/v1/dead-letters${query}`)).items;
}

async function numbersOf(ids: readonly number[]): Promise<unknown> {
  const list = ids.map((id) => `'bbbbbbbb-0000-4000-8000-${String(id).padStart(12, "0")}'`).join();
  const sql = `SELECT number FROM ${TYPE} WHERE event_id IN (${list}) ORDER BY number`;
  const answer = await lakes.full.call("POST", "/v1/sql", { sql });
  return ((await answer.json()) as { rows: unknown }).rows;
}

function open(path: string, width = 1280): Promise<OpenPage> {
  return openPage(lakes.browser, lakes.full.url, path, { token: lakes.full.token, width });
}

async function waitForOpen(page: Page, count: number): Promise<void> {
  await expect
    .poll(() => page.locator(".tile", { hasText: "Open" }).locator(".tile-value").innerText(), {
      timeout: 20_000,
    })
    .toBe(String(count));
}

test("groups: live, empty, slow, dead", async () => {
  await standsWithData(states("/dead-letters", GROUP));
  await standsEmpty({ ...states("/dead-letters", GROUP), at: lakes.empty }, "No dead letter");
  await standsSlowAndDead(states("/dead-letters", GROUP));
  await standsDeadFromTheStart(states("/dead-letters", GROUP));
});

test("one letter and a group's list: live, slow, dead, and what does not fit", async () => {
  const [letter] = await letters();
  const one = `/dead-letters?letter=${encodeURIComponent(letter!.dead_letter_id)}`;
  await standsWithData(states(one, "#letter-text"));
  await standsSlowAndDead(states(one, "#letter-text"));
  const group = `/dead-letters?event_type=${TYPE}&reason=${encodeURIComponent(letter!.reason)}`;
  await standsWithData(states(group, '[aria-label^="Dead letters of the group"] td'));
  await using none = await open("/dead-letters?reason=no.such");
  await none.page.locator(".empty", { hasText: "No dead letter fits" }).waitFor();
  await using missing = await open("/dead-letters?letter=none");
  await missing.page.locator(".error", { hasText: "dead_letter.not_found" }).waitFor();
});

test("a letter is shown as it came, corrected, tried without being sent, and then sent once", async () => {
  const all = await letters("open");
  const id = all.at(-1)!.dead_letter_id; // the oldest: order 101
  await using opened = await open(`/dead-letters?letter=${encodeURIComponent(id)}`);
  const { page } = opened;
  const field = page.locator("#letter-text");
  await field.waitFor();
  const { payload } = await lakes.full.get<{ payload: string }>(`/v1/dead-letters/${encodeURIComponent(id)}`);
  expect(await field.inputValue()).toBe(payload);
  expect(await page.locator(".letter .actions.spaced button", { hasText: "Replay" }).isDisabled()).toBe(true);
  await page.locator("button", { hasText: "Try it" }).click();
  await page.locator(".letter .badge", { hasText: "refused" }).waitFor();
  await field.fill(payload.replace("18446744073709551616", "101"));
  await page.locator("button", { hasText: "Try it" }).click();
  await page.locator(".letter .badge", { hasText: "would land" }).waitFor();
  expect((await letters("open")).length).toBe(all.length); // nothing was sent
  await page.locator(".letter .actions > button", { hasText: "Replay" }).click();
  await page.locator("dialog button", { hasText: "Publish it" }).click();
  await page.locator(".letter .facts .badge", { hasText: "landed since" }).waitFor({ timeout: 30_000 });
  await waitForOpen(page, all.length - 1);
  expect(opened.complaints).toEqual([]);
});

test("a group is replayed with one correction: tried first, then as many as would land", async () => {
  const before = (await letters("open")).length;
  await using opened = await open("/dead-letters");
  const { page } = opened;
  await page.locator(`${GROUP} button`, { hasText: "Replay" }).click();
  const dialog = page.locator("dialog.replay");
  await dialog.waitFor();
  expect(await axe(page)).toEqual([]);
  await dialog.locator("#replay-pointer").fill("/number");
  await dialog.locator("button", { hasText: "Try it" }).click();
  await dialog.locator(".badge", { hasText: `${before} refused` }).waitFor();
  expect(await dialog.locator("button", { hasText: "Replay 0" }).isDisabled()).toBe(true);
  await dialog.locator("#replay-value").fill("777");
  await dialog.locator("button", { hasText: "Try it" }).click();
  await dialog.locator(".badge", { hasText: `${before} would land` }).waitFor();
  expect((await letters("open")).length).toBe(before);
  await dialog.locator("button", { hasText: `Replay ${before}` }).click();
  await dialog.locator(".badge", { hasText: `${before} accepted` }).waitFor();
  await dialog.locator("button", { hasText: "Close" }).click();
  await waitForOpen(page, 0);
  expect(await numbersOf([102, 103])).toEqual([["777"], ["777"]]);
});

test("filters stand in the address; a new dead letter comes without a reload; a phone shows it all", async () => {
  await using opened = await open(`/dead-letters?event_type=${TYPE}&state=open`, 360);
  const { page } = opened;
  await page.locator(".empty", { hasText: "No dead letter fits" }).waitFor();
  await send(lakes.full, [order(301, "99999999999999999999")]);
  await page.locator(GROUP).first().waitFor({ timeout: 30_000 });
  expect(await page.locator("#filter-event_type").inputValue()).toBe(TYPE);
  expect(await page.locator("#filter-state").inputValue()).toBe("open");
  await page.locator(`${GROUP} a`).first().click();
  await page.locator('[aria-label^="Dead letters of the group"] button', { hasText: "Show" }).first().click();
  await page.locator("#letter-text").waitFor();
  const asked = new URL(page.url()).searchParams;
  expect([asked.get("event_type"), asked.get("state"), asked.has("reason"), asked.has("letter")]).toEqual([
    TYPE,
    "open",
    true,
    true,
  ]);
  expect(await overhang(page)).toBe(0);
  await page.reload();
  await page.locator("#letter-text").waitFor();
});
