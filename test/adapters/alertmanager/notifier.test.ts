/** Alerts and a real Alertmanager: who is paged, and how often. */
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAlertmanagerNotifier } from "../../../adapters/alertmanager/notifier.ts";
import { createOutgoing } from "../../../adapters/http/outgoing.ts";
import { alertRuleSchema, evaluateAlerts, NO_ALERTS, type AlertState } from "../../../core/alert.ts";
import { due, offer, sent, type Outbox } from "../../../core/alert-outbox.ts";
import { systemClock, systemRandomness } from "../../../core/clock.ts";
import { createWebhookReader, type Page } from "./webhook-reader.ts";
import { type AlertmanagerServer, startAlertmanager } from "../../services/alertmanager.ts";
import { eventually } from "../../services/muara.ts";

const RESEND_MS = 60_000;
const never = new AbortController().signal;
const reader = createWebhookReader();
const outgoing = createOutgoing({ allow: ["127.0.0.1"] });
const ports = { outgoing, clock: systemClock, randomness: systemRandomness };
let alertmanager: AlertmanagerServer;

beforeAll(async () => {
  alertmanager = await startAlertmanager(await reader.listen());
});
afterAll(async () => {
  outgoing.close();
  await alertmanager?.stop();
  await reader.stop();
});

const notifierAt = (urls: readonly string[], attempts = 3) =>
  createAlertmanagerNotifier(ports, {
    urls,
    resendMs: RESEND_MS,
    timeoutMs: 2_000,
    attempts,
    pauseMsMax: 200,
    externalUrl: "http://muara.example",
  });

interface Kept {
  readonly state: AlertState;
  readonly outbox: Outbox;
}

/** One rule with one result, its state and outbox kept as they are over a restart: as JSON. */
class Incident {
  readonly name: string;
  #kept: Kept;

  constructor(name: string) {
    this.name = name;
    this.#kept = { state: NO_ALERTS, outbox: [] };
  }

  get fingerprint(): string {
    return this.#kept.state.alerts[0]!.fingerprint;
  }

  /** Evaluates, offers, sends what is due at `atMs`, and keeps all of it unless it crashes after sending. */
  async turn(atMs: number, isThere: boolean, isCrash = false): Promise<number> {
    const { state, outbox } = JSON.parse(JSON.stringify(this.#kept)) as Kept;
    const rule = alertRuleSchema.parse({ name: this.name, labels: { severity: "page" } });
    const results = isThere ? [{ labels: { shop: "de" }, annotations: { summary: "few" }, value: 1 }] : [];
    const next = evaluateAlerts(rule, state, { atMs, results });
    const offered = offer(outbox, next.transitions);
    const entries = due(offered, atMs, { resendMs: RESEND_MS });
    const notifier = notifierAt([alertmanager.url]);
    const outcome = await notifier.notify(
      entries.map(({ alert }) => alert),
      never,
    );
    expect(outcome).toEqual({ outcome: "taken" });
    const ids = entries.map(({ id }) => id);
    if (!isCrash) this.#kept = { state: next.state, outbox: sent(offered, ids, atMs) };
    return entries.length;
  }
}

const pagesOf = (name: string, status?: string): Page[] =>
  reader.pages.filter(
    ({ alert }) => alert.labels["alertname"] === name && (status === undefined || alert.status === status),
  );

/** Something else is told meanwhile: what would have come by then would be there. */
async function othersAreTold(): Promise<void> {
  const other = new Incident(`Other${crypto.randomUUID().slice(0, 8)}`);
  await other.turn(Date.now(), true);
  await eventually("another incident is told", 20_000, async () => pagesOf(other.name).length === 1);
  await other.turn(Date.now() + 1, false);
  await eventually("its end too", 20_000, async () => pagesOf(other.name, "resolved").length === 1);
}

describe("Alertmanager", () => {
  test("pages once for an incident: sent again, by a restarted Muara, by a restarted Alertmanager", async () => {
    const incident = new Incident("Restarts");
    const startMs = Date.now() - 3 * RESEND_MS; // an end in the future is none yet
    expect(await incident.turn(startMs, true, true)).toBe(1); // nothing of it is kept
    expect(await incident.turn(startMs, true)).toBe(1);
    await eventually("the page", 20_000, async () => pagesOf("Restarts").length === 1);
    expect(await incident.turn(startMs + 1, true)).toBe(0);
    expect(await incident.turn(startMs + RESEND_MS, true, true)).toBe(1);
    await alertmanager.restart(); // it writes down what it has told
    expect(await incident.turn(startMs + RESEND_MS, true)).toBe(1);
    await othersAreTold();
    expect(pagesOf("Restarts").map(({ alert }) => alert.status)).toEqual(["firing"]);
    expect(pagesOf("Restarts")[0]!.alert).toMatchObject({
      fingerprint: incident.fingerprint,
      startsAt: new Date(startMs).toISOString(),
      endsAt: "0001-01-01T00:00:00Z",
      labels: { alertname: "Restarts", severity: "page", shop: "de" },
      annotations: { summary: "few" },
      generatorURL: `http://muara.example/#/alerts/${incident.fingerprint}`,
    });
    // The end: told twice to Alertmanager, once by it.
    expect(await incident.turn(startMs + RESEND_MS + 1, false, true)).toBe(1);
    expect(await incident.turn(startMs + RESEND_MS + 1, false)).toBe(1);
    await eventually("its end", 20_000, async () => pagesOf("Restarts", "resolved").length === 1);
    expect(await incident.turn(startMs + 2 * RESEND_MS + 1, false)).toBe(1);
    await othersAreTold();
    expect(pagesOf("Restarts").map(({ alert }) => alert.status)).toEqual(["firing", "resolved"]);
  });

  test("a silence made in it holds, over a restart of it, and the page comes when it ends", async () => {
    const nowMs = Date.now();
    const silence = (await alertmanager.call("POST", "/api/v2/silences", {
      matchers: [{ name: "alertname", value: "Sil.*", isRegex: true, isEqual: true }],
      startsAt: new Date(nowMs).toISOString(),
      endsAt: new Date(nowMs + 3_600_000).toISOString(),
      createdBy: "test",
      comment: "known",
    })) as { silenceID: string };
    const incident = new Incident("Silenced");
    await incident.turn(nowMs, true);
    await alertmanager.restart();
    await incident.turn(nowMs + RESEND_MS, true);
    await othersAreTold();
    expect(pagesOf("Silenced")).toEqual([]);
    const [seen] = (await alertmanager.call("GET", '/api/v2/alerts?filter=alertname="Silenced"')) as {
      fingerprint: string;
      status: { state: string; silencedBy: string[] };
    }[];
    expect(seen).toMatchObject({
      fingerprint: incident.fingerprint,
      status: { state: "suppressed", silencedBy: [silence.silenceID] },
    });
    await alertmanager.call("DELETE", `/api/v2/silence/${silence.silenceID}`);
    await eventually("the page", 20_000, async () => pagesOf("Silenced", "firing").length === 1);
  });

  test("the body of a webhook is told as it tells it", async () => {
    const incident = new Incident("Body");
    const atMs = Date.now();
    await incident.turn(atMs, true);
    await eventually("the page", 20_000, async () => pagesOf("Body").length === 1);
    const theirs = pagesOf("Body")[0]!.body;
    expect(reader.ours(theirs)).toEqual(theirs);
  });
});

async function answering(
  statuses: readonly number[],
): Promise<{ server: Server; url: string; count(): number }> {
  let count = 0;
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(statuses[Math.min(count++, statuses.length - 1)]!).end("no");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    server,
    url: `http://127.0.0.1:${typeof address === "object" ? address!.port : 0}/`,
    count: () => count,
  };
}

describe("what goes wrong", () => {
  const alerts = evaluateAlerts(alertRuleSchema.parse({ name: "A" }), NO_ALERTS, {
    atMs: 1,
    results: [{ labels: {}, annotations: {}, value: 1 }],
  }).transitions.map(({ alert }) => alert) as Parameters<ReturnType<typeof notifierAt>["notify"]>[0];

  test.each([
    ["a 503 is tried again", [503, 200], { outcome: "taken" }, 2],
    ["so often and no more", [503], { outcome: "later", reason: "Alertmanager answers 503: no" }, 3],
    ["a 400 is final", [400, 200], { outcome: "refused", reason: "Alertmanager answers 400: no" }, 1],
    ["a wrong token may be mended", [401], { outcome: "later", reason: "Alertmanager answers 401: no" }, 3],
  ])("%s", async (_, statuses, outcome, requests) => {
    const receiver = await answering(statuses);
    expect([await notifierAt([receiver.url]).notify(alerts, never), receiver.count()]).toEqual([
      outcome,
      requests,
    ]);
    receiver.server.close();
  });

  test("one of two that takes them is enough, an address that is not allowed is refused at once", async () => {
    const [bad, good] = [await answering([503]), await answering([200])];
    expect(await notifierAt([bad.url, good.url], 1).notify(alerts, never)).toEqual({ outcome: "taken" });
    for (const { server } of [bad, good]) server.close();
    const away = await notifierAt(["http://10.0.0.1"]).notify(alerts, never);
    expect(away).toMatchObject({ outcome: "refused", reason: expect.stringContaining("not of the public") });
  });
});
