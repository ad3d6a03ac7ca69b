/**
 * Producers that do not slow down, in a process of their own: requests leave by the clock, whether or not earlier
 * ones were answered. `node offer.ts URL REQUESTS_PER_SECOND SECONDS EVENTS BYTES`; prints one JSON line.
 */
import { Agent, request } from "node:http";
import process from "node:process";
import { idOf, TYPE } from "./load.ts";

export interface Answer {
  /** Number of the request; its events are numbered from `request × events` on. */
  readonly request: number;
  /** 0 where none came. */
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** From sending to the end of the answer. */
  readonly ms: number;
  /** After the start. */
  readonly atMs: number;
}

const [url, perSecond, seconds, events, bytes] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 800 });
const total = Math.floor(Number(perSecond) * Number(seconds));
const filler = "x".repeat(Number(bytes));
const answers: Answer[] = [];
const startMs = performance.now();

function bodyOf(number: number): string {
  const first = number * Number(events);
  const texts = Array.from({ length: Number(events) }, (_, i) => {
    const metadata = `{"eid":"${idOf(first + i)}","occurred_at":"2026-03-01T10:00:00Z"}`;
    return `{"metadata":${metadata},"note":"${filler}"}`;
  });
  return `[${texts.join(",")}]`;
}

function send(number: number): Promise<void> {
  const sentMs = performance.now();
  return new Promise((resolve) => {
    const done = (status: number, retryAfter: string | undefined): void => {
      const nowMs = performance.now();
      answers.push({ request: number, status, retryAfter, ms: nowMs - sentMs, atMs: nowMs - startMs });
      resolve();
    };
    const body = bodyOf(number);
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const outgoing = request(
      `${url}/event-types/${TYPE}/events`,
      { method: "POST", agent, headers },
      (incoming) => {
        incoming.resume();
        incoming.once("end", () => done(incoming.statusCode ?? 0, incoming.headers["retry-after"]));
        incoming.once("error", () => done(0, undefined));
      },
    );
    outgoing.once("error", () => done(0, undefined));
    outgoing.end(body);
  });
}

const sends: Promise<void>[] = [];
for (let number = 0; number < total;) {
  const due = Math.min(total, ((performance.now() - startMs) * Number(perSecond)) / 1_000);
  while (number < due) sends.push(send(number++));
  await new Promise((resolve) => setTimeout(resolve, 2));
}
await Promise.all(sends);
agent.destroy();
process.stdout.write(`${JSON.stringify(answers)}\n`);
