/**
 * `muara demo`: starts everything in one process, lets the shop publish, and shows that the numbers add up. What it
 * prints is the first thing that anybody sees of Muara: every figure is read from the running system.
 */
import type { Clock } from "../../core/clock.ts";
import { systemRandomness } from "../../core/clock.ts";
import { declareWatches } from "./declarations.ts";
import { createProgress } from "./progress.ts";
import { createDemo, type DemoState, type DemoTally } from "./worker.ts";

const CHECK_FAILED = 6;
const SETTLE_MS = 15_000;
const LIVE_MS_MIN = 3_000;

export interface DemoServer {
  readonly url: string;
  readonly token: string | undefined;
  stop(): Promise<void>;
}

export interface DemoCommandPorts {
  readonly clock: Clock;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether stderr is a terminal, where a line can be rewritten. */
  readonly isTerminal: boolean;
  /** Resolves at Ctrl-C. */
  readonly stopped: Promise<void>;
  readonly serve: () => Promise<DemoServer>;
  readonly load: () => Promise<DemoState | undefined>;
  readonly save: (state: DemoState) => Promise<void>;
}

export interface DemoCommandOptions {
  readonly seed: number;
  readonly rate: number;
  readonly exitAfterMs: number | undefined;
  readonly output: string;
  readonly data: string;
}

interface Books {
  readonly accepted: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly dead_letters: number;
  readonly in_flight: number;
  readonly balanced: boolean;
}

export async function runDemo(ports: DemoCommandPorts, options: DemoCommandOptions): Promise<number> {
  const { clock } = ports;
  const startedMs = clock.monotonicMs();
  const progress = createProgress(ports.stderr, ports.isTerminal, clock);
  const opening = progress.step("kernel, log and lake opened");
  const server = await ports.serve();
  opening.done(`${server.url}  data in ${options.data}`);
  const stop = new AbortController();
  void ports.stopped.then(() => stop.abort());
  const client = clientOf(server);
  const worker = createDemo(
    { clock, post: client.post, load: ports.load, save: ports.save },
    {
      seed: options.seed,
      ordersPerMinute: options.rate,
    },
  );
  try {
    const replay = progress.step("the shop's past published");
    await worker.prepare(stop.signal, (fraction) => replay.update(`${Math.round(fraction * 100)} %`));
    replay.done(tallyText(worker.tally));
    const landing = progress.step("landed");
    const history = await settle(client, clock, stop.signal, (books) => landing.update(booksText(books)));
    landing.done(booksText(history));
    if (!stop.signal.aborted) await invite(ports, server, client, options);
    // Beside the traffic, which does not wait for jobs to be planned.
    const declaring = progress.step("declared");
    const declared = declareWatches(client, stop.signal).then((outcome) => declaring.done(outcome));
    const endMs = Math.max(startedMs + (options.exitAfterMs ?? Infinity), clock.monotonicMs() + LIVE_MS_MIN);
    const timer =
      options.exitAfterMs === undefined ? undefined : clock.sleep(endMs - clock.monotonicMs(), stop.signal);
    void timer?.then(() => stop.abort());
    await worker.run(stop.signal);
    await declared;
    const ending = progress.step("live traffic ended, everything landed");
    const books = await settle(client, clock, new AbortController().signal, (now) =>
      ending.update(booksText(now)),
    );
    ending.done(booksText(books));
    return report(ports, options, worker.tally, books);
  } finally {
    await server.stop();
  }
}

function report(
  ports: DemoCommandPorts,
  options: DemoCommandOptions,
  tally: DemoTally,
  books: Books,
): number {
  if (options.output === "json") ports.stdout(`${JSON.stringify({ this_run: tally, books })}\n`);
  if (books.balanced && books.in_flight === 0) {
    ports.stderr("   the books balance: accepted = landed + duplicates + dead letters\n");
    return 0;
  }
  ports.stderr(
    "   the books do NOT balance; this is a bug: please keep the data folder and run `muara books`\n",
  );
  return CHECK_FAILED;
}

/** Waits until nothing is in flight. @returns the totals over all event types */
async function settle(
  client: DemoClient,
  clock: Clock,
  signal: AbortSignal,
  show: (books: Books) => void,
): Promise<Books> {
  const endMs = clock.monotonicMs() + SETTLE_MS;
  for (;;) {
    const books = await client.books();
    show(books);
    if (books.in_flight === 0 || signal.aborted || clock.monotonicMs() > endMs) return books;
    await clock.sleep(200, signal);
  }
}

/** The five commands, each to be copied as it stands. */
async function invite(
  ports: DemoCommandPorts,
  server: DemoServer,
  client: DemoClient,
  options: DemoCommandOptions,
): Promise<void> {
  const isDefault = server.url.endsWith(":8080") && options.data === ".muara";
  const muara = isDefault ? "npx muara" : `npx muara --url ${server.url} --data ${options.data}`;
  const eventId = await client.someEventId();
  const event = {
    metadata: { eid: systemRandomness.uuid(), occurred_at: new Date(ports.clock.nowMs()).toISOString() },
    order_number: "mine-1",
    customer_id: "me",
    country: "ID",
    parcels_to_ship: 1,
    total: 19.95,
  };
  const query =
    "SELECT country, count(*) AS orders, sum(total) AS revenue FROM ORDER_CREATED " +
    "GROUP BY country ORDER BY orders DESC";
  const curl = [
    "curl -sS -w '%{http_code}\\n'",
    `-H "Authorization: Bearer $(cat ${options.data}/token)" -H 'Content-Type: application/json'`,
    `-d '[${JSON.stringify(event)}]'`,
    `${server.url}/event-types/ORDER_CREATED/events`,
  ];
  const commands = [
    `${muara} tail ORDER_CREATED -n 5`,
    `${muara} sql '${query}'`,
    curl.join(" "),
    `${muara} trace ${eventId}`,
    `${muara} books`,
  ];
  ports.stderr(
    `\n   live traffic on ${server.url}    stop with Ctrl-C    start over: npm run demo -- --fresh\n`,
  );
  const token = server.token === undefined ? "" : `/#token=${server.token}`;
  ports.stderr(`   dashboard ${server.url}${token}\n`);
  ports.stderr("   Try, in another terminal:\n");
  ports.stderr(`${commands.map((command) => `     ${command}`).join("\n")}\n\n`);
}

function tallyText(tally: DemoTally): string {
  const { sent, accepted, rejected } = tally;
  return `${number(sent)} events sent: ${number(accepted)} accepted, ${number(rejected)} refused at the door`;
}

function booksText(books: Books): string {
  const parts = [
    `${number(books.accepted)} accepted = ${number(books.landed)} landed`,
    `${number(books.duplicates)} duplicates`,
    `${number(books.dead_letters)} dead letters`,
    ...(books.in_flight > 0 ? [`${number(books.in_flight)} in flight`] : []),
  ];
  return parts.join(" + ");
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

interface DemoClient {
  readonly get: (path: string) => Promise<Response>;
  readonly post: (path: string, body: string) => Promise<Response>;
  readonly books: () => Promise<Books>;
  readonly someEventId: () => Promise<string>;
}

function clientOf(server: DemoServer): DemoClient {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (server.token) headers["authorization"] = `Bearer ${server.token}`;
  const get = (path: string): Promise<Response> => fetch(server.url + path, { headers });
  const post = (path: string, body: string): Promise<Response> =>
    fetch(server.url + path, { method: "POST", body, headers });
  const sql = async (query: string): Promise<string[][]> => {
    const response = await post("/v1/sql", JSON.stringify({ sql: query }));
    return response.ok ? ((await response.json()) as { rows: string[][] }).rows : [];
  };
  return {
    get,
    post,
    books: async () => {
      const response = await get("/v1/books");
      const { items, balanced } = (await response.json()) as { items: Books[]; balanced: boolean };
      const sum = (pick: (books: Books) => number): number =>
        items.reduce((total, item) => total + pick(item), 0);
      return {
        accepted: sum((item) => item.accepted),
        landed: sum((item) => item.landed),
        duplicates: sum((item) => item.duplicates),
        dead_letters: sum((item) => item.dead_letters),
        in_flight: sum((item) => item.in_flight),
        balanced,
      };
    },
    // An event that was sent twice has two fates to show.
    someEventId: async () => {
      const twice = await sql("SELECT event_id FROM duplicates WHERE event_id IS NOT NULL LIMIT 1");
      const [row] = twice.length > 0 ? twice : await sql("SELECT event_id FROM ORDER_CREATED LIMIT 1");
      return row?.[0] ?? "EVENT_ID";
    },
  };
}
