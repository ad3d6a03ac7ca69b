/**
 * What the shop's teams watch it by, declared over HTTP as they would: a job, a business process, a rule. Each is
 * declared where there is none of its name, so that what somebody has changed or paused stays as it is.
 */

interface Declaration {
  readonly kind: string;
  readonly name: string;
  /** In the API, of its kind. */
  readonly folder: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Some events of the past come three hours late, which no window waits for: they become corrections. */
const JOB = `CREATE JOB orders_by_hour
WITH (lateness = '10 minutes')
AS
SELECT window_start, window_end, country, count(*) AS orders, sum(total) AS revenue
FROM TUMBLE(ORDER_CREATED, event_time, INTERVAL '1 hour')
GROUP BY window_start, window_end, country
EMIT ON WINDOW CLOSE
INTO lake orders_by_hour;
`;

const PROCESS = {
  name: "fulfilment",
  description: "From the order to its first parcel",
  lateness: "10 minutes",
  activities: {
    ordered: { from: "ORDER_CREATED", case: "order_number", fields: { country: "country" } },
    paid: { from: "PAYMENT_RECEIVED", case: "order_number" },
    shipped: { from: "PARCEL_SHIPPED", case: "order_number" },
  },
  deadlines: {
    shipped_in_time: { from: "ordered", to: "shipped", within: "30 hours", carry: ["country"] },
  },
};

const RULE = {
  name: "DeepPriceCut",
  description: "Articles that became cheaper by a quarter or more within six hours",
  sql: {
    query: `SELECT sku AS article, max(round(100 * (1 - new_price / old_price))) AS value,
  arg_max(new_price, event_time) AS price
FROM PRICE_CHANGED
WHERE event_time > $now - INTERVAL '6 hours' AND event_time <= $now AND old_price > 0
GROUP BY article HAVING max(round(100 * (1 - new_price / old_price))) >= 25`,
    labels: ["article"],
  },
  labels: { severity: "info" },
  annotations: { summary: "{{ article }} was made {{ value }} % cheaper; its price is {{ price }}" },
};

/** What is planned soonest first; jobs in the tables that former ones of these names have left, if any. */
const DECLARATIONS: readonly Declaration[] = [
  { kind: "rule", name: RULE.name, folder: "/v1/rules", body: RULE },
  { kind: "job", name: "orders_by_hour", folder: "/v1/jobs", body: { text: JOB, continue: true } },
  {
    kind: "process",
    name: PROCESS.name,
    folder: "/v1/processes",
    body: { process: PROCESS, continue: true },
  },
];

export interface DeclarationPorts {
  readonly get: (path: string) => Promise<Response>;
  readonly post: (path: string, body: string) => Promise<Response>;
}

/**
 * One after the other: each takes a while of planning, and jobs that were declared begin at once.
 * @param signal when it is aborted, no other one is begun; a later run goes on
 * @returns what is there now, and what was refused, for people
 */
export async function declareWatches(ports: DeclarationPorts, signal: AbortSignal): Promise<string> {
  const outcomes: string[] = [];
  for (const declaration of DECLARATIONS) {
    if (signal.aborted) break;
    const refusal = await declare(ports, declaration).catch(String);
    const name = `${declaration.kind} ${declaration.name}`;
    outcomes.push(refusal === undefined ? name : `not ${name}: ${refusal}`);
  }
  return outcomes.length > 0 ? outcomes.join(", ") : "nothing yet";
}

/** @returns why not */
async function declare(
  { get, post }: DeclarationPorts,
  { name, folder, body }: Declaration,
): Promise<string | undefined> {
  const found = await get(`${folder}/${name}`);
  await found.body?.cancel();
  if (found.ok) return undefined;
  const made = await post(folder, JSON.stringify(body));
  const answer = await made.text();
  return made.ok ? undefined : answer.slice(0, 500);
}
