/** GET /v1/logs over a ring of lines: from which level on, of which job, how many, and for whom. */
import { Hono } from "hono";
import { expect, test } from "vitest";
import type { ApiEnv, ApiPorts } from "../../api/context.ts";
import { addLogRoutes } from "../../api/routes/logs.ts";
import type { Grant } from "../../core/authorize.ts";
import { errorResponse } from "../../core/http.ts";
import { ringLogger } from "../../core/log-ring.ts";
import { silentLogger } from "../../core/logger.ts";

const LINES = 150;
const MAY_READ: Grant = { action: "read", kind: "system", name: "logs" };

const ring = ringLogger(silentLogger, () => 0);
for (let n = 0; n < LINES; n++) {
  const logger = ring.logger.with(n % 10 === 0 ? { job: "totals" } : {});
  if (n % 50 === 0) logger.error("e", { n });
  else if (n % 5 === 0) logger.warn("w", { n });
  else logger.info("i", { n });
}

async function ask(query: string, grants: readonly Grant[] = [MAY_READ]): Promise<unknown> {
  const app = new Hono<ApiEnv>();
  app.use(async (context, next) => {
    context.set("principal", { id: "me", grants });
    await next();
  });
  app.onError((error) => errorResponse(error, "f"));
  addLogRoutes(app, { logs: ring } as unknown as ApiPorts);
  const answer = await app.request(`/v1/logs?${query}`);
  const body = (await answer.json()) as { items: { n: number }[]; code?: string };
  return answer.ok ? body.items.map(({ n }) => n) : [answer.status, body.code];
}

const from = (first: number, isIt: (n: number) => boolean = () => true): number[] =>
  Array.from({ length: LINES }, (_, n) => n).filter((n) => n >= first && isIt(n));

test.each([
  ["", from(50)],
  ["limit=3", [147, 148, 149]],
  ["limit=1000", from(0)],
  ["level=info&limit=2", [148, 149]],
  ["level=warn", from(0, (n) => n % 5 === 0)],
  ["level=error", [0, 50, 100]],
  ["level=warn&job=totals", from(0, (n) => n % 10 === 0)],
  ["job=totals&limit=2", [130, 140]],
  ["job=other", []],
])("?%s", async (query, expected) => {
  expect(await ask(query)).toEqual(expected);
});

test.each(["level=debug", "level=", "level=loud", "limit=0", "limit=1001", "limit=x"])(
  "?%s is refused",
  async (query) => {
    expect(await ask(query)).toEqual([400, "request.malformed"]);
  },
);

test.each([
  [[]],
  [[{ action: "read", kind: "system", name: "config" }]],
  [[{ action: "read", kind: "table", name: "*" }]],
] as const)("not for who has %o", async (grants) => {
  expect(await ask("", grants)).toEqual([403, "auth.forbidden"]);
});
