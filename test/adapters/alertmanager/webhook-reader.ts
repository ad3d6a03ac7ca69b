/** A receiver of Alertmanager's webhooks, which keeps every alert that it was told of. */
import { createServer } from "node:http";
import { webhookBody, type ToldAlert } from "../../../core/alert-webhook.ts";

interface TheirAlert {
  readonly status: "firing" | "resolved";
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly fingerprint: string;
}

export interface Page {
  readonly alert: TheirAlert;
  readonly body: Record<string, unknown>;
}

export interface WebhookReader {
  readonly pages: Page[];
  /** @returns its address */
  listen(): Promise<string>;
  /** What we would say of the same alerts. */
  ours(body: Record<string, unknown>): Record<string, unknown>;
  stop(): Promise<void>;
}

export function createWebhookReader(): WebhookReader {
  const pages: Page[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString(), sameTimes) as Page["body"];
      for (const alert of body["alerts"] as TheirAlert[]) pages.push({ alert, body });
      response.writeHead(200).end();
    });
  });
  return {
    pages,
    listen: async () => {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      return `http://127.0.0.1:${typeof address === "object" ? address!.port : 0}/`;
    },
    ours: (body) => {
      const theirs = body["alerts"] as readonly (TheirAlert & { readonly generatorURL: string })[];
      const ours = webhookBody({
        receiver: "test",
        groupBy: Object.keys(body["groupLabels"] as object),
        alerts: theirs.map(toldOf),
        truncated: 0,
        externalUrl: body["externalURL"] as string, // of Alertmanager; the generator is Muara
      });
      const alerts = (ours["alerts"] as object[]).map((alert, i) => ({
        ...alert,
        generatorURL: theirs[i]!.generatorURL,
      }));
      return { ...ours, alerts };
    },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** Go leaves out zeros at the end of a second's fraction. */
function sameTimes(name: string, value: unknown): unknown {
  if (name !== "startsAt" && name !== "endsAt") return value;
  const text = String(value);
  return text.startsWith("0001-") ? text : new Date(text).toISOString();
}

function toldOf({ status, labels, annotations, startsAt, endsAt, fingerprint }: TheirAlert): ToldAlert {
  return {
    fingerprint,
    labels,
    annotations,
    value: 1,
    status,
    activeAtMs: Date.parse(startsAt),
    startsAtMs: Date.parse(startsAt),
    goneAtMs: null,
    endsAtMs: status === "firing" ? null : Date.parse(endsAt),
    isNoData: false,
  };
}
