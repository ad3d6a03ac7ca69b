/** The pages of alerts and of the system in a real browser, over a process with rules, tokens, a share, an audit. */
import { expect, test, vi } from "vitest";
import { canvasColors, contrast, openPage } from "../services/browser.ts";
import { eventually } from "../services/muara.ts";
import { useProcesses } from "./lakes.ts";
import {
  saying,
  standsDeadFromTheStart,
  standsEmpty,
  standsSlowAndDead,
  standsWithData,
} from "./page-checks.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 180_000 });

const FIRING = {
  name: "CardTesting",
  sql: {
    query: "SELECT card, count(*) AS value FROM payment WHERE event_time <= $now GROUP BY card",
    labels: ["card"],
  },
  labels: { severity: "page" },
  annotations: { summary: "{{ value }} payments of card {{ card }}" },
};
const PENDING = { ...FIRING, name: "Slowly", for_ms: 3_600_000 };
const DROP = {
  name: "PaymentsDropped",
  drop: { table: "payment", window_ms: 300_000 },
  no_data_ms: 60_000,
};
const HOUR_MS = 3_600_000;

const lakes = useProcesses("house-pages", { MUARA_AUDIT: "on" }, fill);

async function post(path: string, body: unknown, status: number): Promise<unknown> {
  const answer = await lakes.full.fetch(path, { method: "POST", body: JSON.stringify(body) });
  const text = await answer.text();
  expect([path, answer.status, answer.ok ? "" : text]).toEqual([path, status, ""]);
  return text === "" ? null : JSON.parse(text);
}

async function fill(): Promise<void> {
  const schema = { type: "object", properties: { card: { type: "string" } } };
  await post(
    "/event-types",
    {
      name: "payment",
      owning_application: "t",
      category: "business",
      schema: { type: "json_schema", schema: JSON.stringify(schema) },
    },
    201,
  );
  const begin = Date.now() - 12 * HOUR_MS;
  const events = Array.from({ length: 200 }, (_, i) => ({
    metadata: {
      eid: `aaaaaaaa-0000-4000-8000-${String(i).padStart(12, "0")}`,
      occurred_at: new Date(begin + i * 200_000).toISOString(),
    },
    card: i % 2 === 0 ? "4711" : "0815",
  }));
  await post("/event-types/payment/events", events, 200);
  await eventually("the events are there", 30_000, async () => {
    const rows = await lakes.full.sql("SELECT count(*) FROM payment").catch(() => []);
    return Number(rows[0]?.[0] ?? 0) === events.length;
  });
  for (const rule of [FIRING, PENDING, DROP]) await post("/v1/rules", rule, 201);
  await post(
    "/v1/shares",
    { name: "sales", description: "for the board", tables: { payment: { as: "shop.payments" } } },
    201,
  );
  await post(
    "/v1/shares/sales/recipients",
    { recipient: "auditors", expires_at: new Date(Date.now() + 24 * HOUR_MS).toISOString() },
    201,
  );
  await post(
    "/v1/tokens",
    { description: "a reader", grants: [{ action: "read", kind: "table", name: "payment" }] },
    201,
  );
  await post("/v1/silences", { matchers: 'card="0815"', for_ms: HOUR_MS, comment: "our own card" }, 201);
  await eventually("alerts fire and are pending, and their history is there", 60_000, async () => {
    const { items } = (await (await lakes.full.fetch("/v1/alerts")).json()) as { items: { state: string }[] };
    const states = new Set(items.map(({ state }) => state));
    const rows = await lakes.full.sql(`SELECT count(*) FROM "muara.alert"`).catch(() => []);
    return states.has("firing") && states.has("pending") && Number(rows[0]?.[0] ?? 0) >= 4;
  });
}

const PAGES = [
  { path: "/alerts", shows: "100 payments of card 4711" },
  { path: "/alerts?tab=rules", shows: "PaymentsDropped" },
  { path: "/alerts?tab=silences", shows: "our own card" },
  { path: "/alerts?tab=history", shows: "pending" },
  { path: "/system", shows: "the log can be read" },
  { path: "/system?tab=shares", shows: "for the board" },
  { path: "/system?tab=tokens", shows: "a reader" },
  { path: "/system?tab=audit", shows: "declared" },
  { path: "/system?tab=config", shows: "MUARA_LAND_COMMIT_MS" },
];

test.each(PAGES)("$path in both schemes, at a desk and on a phone", ({ path, shows }) =>
  standsWithData({ browser: lakes.browser, at: lakes.full, path, live: saying(shows) }),
);

test.each([
  ["/alerts", "No rule watches yet", "npx muara rule deploy"],
  ["/alerts?tab=silences", "Nothing is silenced", "npx muara alert silence add"],
  ["/alerts?tab=history", "No alert has changed yet", "npx muara rule deploy"],
  ["/system?tab=captures", "Muara listens to no database", "npx muara capture check"],
  ["/system?tab=deliveries", "Nothing is sent anywhere", "npx muara deliver"],
  ["/system?tab=shares", "Nothing is shared", "npx muara share create"],
  ["/system?tab=audit", "Nothing is recorded here", "MUARA_AUDIT=on"],
])("%s with nothing there says what fills it", (path, title, command) =>
  standsEmpty({ browser: lakes.browser, at: lakes.empty, path }, title, command),
);

test.each(PAGES)("$path says that it loads, that the server is gone, and comes back", ({ path, shows }) => {
  const asked = { browser: lakes.browser, at: lakes.full, path, live: saying(shows) };
  // A process does not change its configuration: what was read once is not asked for again.
  return path.endsWith("config") ? standsDeadFromTheStart(asked) : standsSlowAndDead(asked);
});

test("states are told apart, and the address holds which are shown", async () => {
  await using opened = await openPage(lakes.browser, lakes.full.url, "/alerts", { token: lakes.full.token });
  const { page } = opened;
  const cards = page.locator("article.alert");
  await cards.first().waitFor();
  expect(await cards.count()).toBe(4);
  for (const [state, shown] of [
    ["firing", 1],
    ["pending", 1],
    ["silenced", 2],
    ["resolved", 0],
  ] as const) {
    await page.locator("#filter-state").selectOption(state);
    await expect.poll(() => cards.count()).toBe(shown);
    expect(new URL(page.url()).searchParams.get("state")).toBe(state);
  }
});

test("a link to a rule opens it, and what comes of it alone", async () => {
  await using opened = await openPage(
    lakes.browser,
    lakes.full.url,
    "/alerts?tab=rules&rule=PaymentsDropped",
    {
      token: lakes.full.token,
    },
  );
  const { page } = opened;
  const heads = page.locator("article > h2");
  await heads.first().waitFor();
  expect(await heads.count()).toBe(1);
  expect(await heads.first().textContent()).toContain("PaymentsDropped");
  await page.goto(`${lakes.full.url}/alerts?rule=Slowly`);
  await page.locator("article.alert").first().waitFor();
  const shown = await page.locator("article.alert").allTextContents();
  expect([shown.length, shown.filter((text) => text.includes("Slowly")).length]).toEqual([2, 2]);
  await page.locator("#filter-rule").selectOption("");
  await expect.poll(() => page.locator("article.alert").count()).toBe(4);
});

test.each(["light", "dark"] as const)(
  "why an alert fires is drawn, in colours that can be seen: %s",
  async (scheme) => {
    await using opened = await openPage(lakes.browser, lakes.full.url, "/alerts?tab=rules", {
      token: lakes.full.token,
      scheme,
    });
    const { page } = opened;
    const card = page.locator("article", { hasText: "PaymentsDropped" });
    await card.getByRole("button", { name: "Test now" }).click();
    const canvas = card.locator("canvas");
    await canvas.waitFor();
    await expect
      .poll(async () => (await canvasColors(page, "article canvas")).length, { timeout: 10_000 })
      .toBeGreaterThan(2);
    const ground = scheme === "light" ? "255,255,255" : "19,28,35";
    const visible = (await canvasColors(page, "article canvas")).filter(
      (color) => contrast(color, ground) >= 3,
    );
    expect(visible.length).toBeGreaterThan(1);
    await card.getByText("The figures").click();
    await card.locator("table tbody tr").first().waitFor();
  },
);

test("an alert is silenced for as long as is chosen, and the silence is ended", async () => {
  await using opened = await openPage(lakes.browser, lakes.full.url, "/alerts?q=4711&state=firing", {
    token: lakes.full.token,
  });
  const { page } = opened;
  await page.getByRole("button", { name: "Silence …" }).click();
  expect(await page.locator("dialog[open] [name=matchers]").inputValue()).toContain('card="4711"');
  await page.locator("dialog[open] [name=for_ms]").selectOption({ label: "4 hours" });
  await page.getByRole("button", { name: "Silence", exact: true }).click();
  expect(await page.locator("dialog[open]").count()).toBe(1);
  await page.locator("dialog[open] [name=comment]").fill("looked at");
  await page.getByRole("button", { name: "Silence", exact: true }).click();
  await page.locator("dialog[open]").waitFor({ state: "detached" });
  const { items } = (await (await lakes.full.fetch("/v1/silences")).json()) as {
    items: { comment: string; starts_at: string; ends_at: string; state: string }[];
  };
  const made = items.find(({ comment }) => comment === "looked at")!;
  expect(Date.parse(made.ends_at) - Date.parse(made.starts_at)).toBe(4 * HOUR_MS);
  await page.goto(`${lakes.full.url}/alerts?tab=silences`);
  await page.locator("tr", { hasText: "looked at" }).getByRole("button", { name: "End …" }).click();
  await page.getByRole("button", { name: "End it" }).click();
  await page.locator("tr", { hasText: "looked at" }).waitFor({ state: "detached" });
});

test("a token is shown once, opens what it may, and is nothing when it is revoked", async () => {
  await using opened = await openPage(lakes.browser, lakes.full.url, "/system?tab=tokens", {
    token: lakes.full.token,
  });
  const { page } = opened;
  await page.getByRole("button", { name: "New token …" }).click();
  await page.locator("dialog[open] [name=description]").fill("a test's own");
  await page.locator("dialog[open] [name=name]").fill("payment");
  await page.getByRole("button", { name: "Make it" }).click();
  const secret = (await page.locator("dialog[open] .secret").textContent())!.trim();
  const as = async (): Promise<number> =>
    (await fetch(`${lakes.full.url}/v1/tables/payment`, { headers: { authorization: `Bearer ${secret}` } }))
      .status;
  expect(await as()).toBe(200);
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await page.reload();
  const row = page.locator("tr", { hasText: "a test's own" });
  await row.waitFor();
  expect(await page.content()).not.toContain(secret);
  await row.getByRole("button", { name: "Revoke …" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  expect(await as()).toBe(200);
  await row.getByRole("button", { name: "Revoke …" }).click();
  await page.getByRole("button", { name: "Revoke", exact: true }).click();
  await row.waitFor({ state: "detached" });
  expect(await as()).toBe(401);
});

test("the configuration says what was set, and by what", async () => {
  await using opened = await openPage(
    lakes.browser,
    lakes.full.url,
    "/system?tab=config&origin=environment",
    {
      token: lakes.full.token,
    },
  );
  const { page } = opened;
  await page.locator("td").first().waitFor();
  const keys = await page.locator("tbody tr td:first-child").allTextContents();
  expect(keys).toEqual(["audit", "land.commitMs", "land.projectMs"]);
});

test("whoever may not see it is told so, and why", async () => {
  const made = (await post(
    "/v1/tokens",
    { description: "poor", grants: [{ action: "read", kind: "table", name: "payment" }] },
    201,
  )) as { token: string };
  for (const [path, needs] of [
    ["/system?tab=tokens", "token"],
    ["/system?tab=config", "system"],
  ] as const) {
    await using opened = await openPage(lakes.browser, lakes.full.url, path, { token: made.token });
    await opened.page.locator(".error", { hasText: "not allowed" }).first().waitFor();
    expect(await opened.page.locator(".error").first().textContent()).toContain(needs);
  }
});
