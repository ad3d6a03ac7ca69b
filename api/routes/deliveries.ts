/**
 * GET, POST /v1/deliveries and what is below: rows of tables, sent to somewhere else. Whoever has them sent must be
 * the table's administrator, as for a share: they leave the table's rights, and go on after his token has ended.
 */
import type { Hono } from "hono";
import { DELIVERY_FOLDER, type Delivery, deliveryRequestSchema } from "../../core/delivery.ts";
import { MuaraError } from "../../core/errors.ts";
import { kibanaObjects } from "../../core/kibana-objects.ts";
import type { Declaration } from "../../core/registry.ts";
import { columnsOf } from "../../lake/parquet/delta-type.ts";
import { parseSchema } from "../../lake/table/delta-schema.ts";
import {
  wholeNumber,
  wholeTable,
  isoOrNull,
  type ApiContext,
  type ApiEnv,
  type ApiPorts,
} from "../context.ts";
import { checkDelivery, mayDeliver, newDelivery, putDelivery, removeDelivery } from "../declare-delivery.ts";
import { checkDeliveryLoop } from "../event-target.ts";
import { lagOfDelivery } from "../delivery-lag.ts";
import { readBody } from "../read-body.ts";

const LETTERS_DEFAULT = 100;
const LETTERS_MAX = 1_000;

export function addDeliveryRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const { registry, logger } = ports;
  const one = async (context: ApiContext): Promise<Declaration<Delivery>> => {
    await registry.refresh();
    const name = context.req.param("name")!;
    const found = registry.get<Delivery>("delivery", name);
    if (found?.value && mayDeliver(context.get("principal"), found.value)) return found;
    throw new MuaraError("delivery.not_found", `There is no delivery "${name}".`, {
      details: { delivery: name },
    });
  };
  const change = async (context: ApiContext, isPaused: boolean): Promise<Response> => {
    const { value, revision } = await one(context);
    const changed = { ...value!, isPaused };
    const by = context.get("principal").id;
    if (value!.isPaused !== isPaused) await registry.put("delivery", value!.name, revision, changed, by);
    logger.info(isPaused ? "paused a delivery" : "resumed a delivery", { by, delivery: value!.name });
    return context.json(await shownDelivery(ports, changed));
  };

  app.get("/v1/deliveries", async (context) => {
    await registry.refresh();
    const mine = registry
      .list<Delivery>("delivery")
      .map(({ value }) => value!)
      .filter((delivery) => mayDeliver(context.get("principal"), delivery));
    return context.json({ items: await Promise.all(mine.map((delivery) => shownDelivery(ports, delivery))) });
  });
  app.post("/v1/deliveries", async (context) => {
    const delivery = await declare(ports, context);
    const by = context.get("principal").id;
    logger.info("declared a delivery", { by, delivery: delivery.name, table: delivery.table });
    // Only here, as for a token.
    const secret = delivery.url === undefined ? {} : { secret: `whsec_${delivery.secret}` };
    return context.json({ ...(await shownDelivery(ports, delivery)), ...secret }, 201);
  });
  app.get("/v1/deliveries/:name", async (context) =>
    context.json(await shownDelivery(ports, (await one(context)).value!)),
  );
  app.post("/v1/deliveries/:name/pause", (context) => change(context, true));
  app.post("/v1/deliveries/:name/resume", (context) => change(context, false));
  app.delete("/v1/deliveries/:name", async (context) => {
    const found = await one(context);
    const by = context.get("principal").id;
    const { name, job } = found.value!;
    if (job !== undefined && registry.get("job", job))
      throw new MuaraError(
        "declaration.conflict",
        `"${name}" is a sink of the job "${job}": deploy that without it, or remove it.`,
      );
    await removeDelivery(registry, found, by);
    logger.info("deleted a delivery", { by, delivery: name });
    return context.body(null, 204);
  });
  app.get("/v1/deliveries/:name/kibana", async (context) => {
    const { id, name, table, elasticsearch: target } = (await one(context)).value!;
    const found = await ports.catalog.find(table);
    if (!target || !found)
      throw new MuaraError("request.not_found", `The delivery "${name}" goes to no Elasticsearch.`);
    const schema = ports.catalog.schema(found, await ports.catalog.snapshot(found.name));
    const columns = columnsOf(parseSchema(schema.schemaString));
    const body = kibanaObjects({ id, name, table, target, columns });
    return context.body(body, 200, { "content-type": "application/x-ndjson" });
  });
  app.get("/v1/deliveries/:name/dead-letters", async (context) => {
    const { id } = (await one(context)).value!;
    const limit = wholeNumber(context, "limit", LETTERS_DEFAULT, LETTERS_MAX);
    const listed = (await ports.store?.list(`${DELIVERY_FOLDER}/${id}`)) ?? [];
    const texts = await Promise.all(
      listed.slice(-limit).map(async ({ path }) => {
        const bytes = await ports.store!.get(path);
        return bytes ? [new TextDecoder().decode(bytes)] : [];
      }),
    );
    // Rows keep their digits: they are not parsed.
    const body = `{"count":${listed.length},"items":[${texts.flat().join(",")}]}`;
    return context.body(body, 200, { "content-type": "application/json" });
  });
}

/** @throws request.malformed, table.not_found, auth.forbidden, delivery.too_many, declaration.conflict */
async function declare(ports: ApiPorts, context: ApiContext): Promise<Delivery> {
  const { registry, clock } = ports;
  const request = await readBody(context, deliveryRequestSchema);
  const principal = context.get("principal");
  const { name: table } = await wholeTable(ports, principal, request.table);
  const delivery = newDelivery({ ...request, table }, { by: principal.id, nowMs: clock.nowMs() });
  await registry.refresh();
  checkDelivery(ports, principal, delivery);
  checkDeliveryLoop(registry, delivery);
  await putDelivery(ports, delivery, principal.id);
  return delivery;
}

/** Never the secret. */
export async function shownDelivery(ports: ApiPorts, delivery: Delivery): Promise<Record<string, unknown>> {
  const {
    name,
    table,
    url,
    kafka,
    postgres,
    elasticsearch,
    log,
    from,
    isPaused,
    description,
    by,
    createdMs,
    job,
  } = delivery;
  const { position, behindVersions, lagMs } = await lagOfDelivery(ports, delivery);
  return {
    name,
    table,
    ...(url === undefined ? {} : { url: new URL(url).origin }),
    ...(kafka === undefined ? {} : { kafka }),
    ...(postgres === undefined ? {} : { postgres }),
    ...(elasticsearch === undefined ? {} : { elasticsearch }),
    ...(log === undefined ? {} : { log }),
    ...(job === undefined ? {} : { job }),
    from,
    batch_rows: delivery.batch_rows,
    batch_bytes: delivery.batch_bytes,
    timeout_ms: delivery.timeout_ms,
    description,
    by,
    created_at: isoOrNull(createdMs),
    state: isPaused ? "paused" : (position?.state ?? "delivering"),
    problem: position?.problem ?? null,
    delivered: position?.delivered ?? 0,
    dead: position?.dead ?? 0,
    version: position?.version ?? null,
    behind_versions: behindVersions,
    lag_ms: lagMs,
    updated_at: isoOrNull(position?.atMs),
  };
}
