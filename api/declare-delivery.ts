/** A delivery, declared for whoever may: by itself, or as a sink of a job. */
import { isAuthorized, type Principal } from "../core/authorize.ts";
import {
  type Delivery,
  type DeliveryPosition,
  type deliveryRequestSchema,
  nothingDelivered,
} from "../core/delivery.ts";
import { dropErasures } from "../core/delivery-erasure.ts";
import { hasCode, MuaraError } from "../core/errors.ts";
import type { Declaration, Registry } from "../core/registry.ts";
import type { z } from "zod";
import type { ApiPorts } from "./context.ts";
import { checkEventTarget } from "./event-target.ts";

const SECRET_BYTES = 32;
const ID_BYTES = 6;

type Request = z.infer<typeof deliveryRequestSchema>;

export function newDelivery(
  request: Request,
  { by, nowMs, job }: { readonly by: string; readonly nowMs: number; readonly job?: string },
): Delivery {
  return {
    ...request,
    id: Buffer.from(crypto.getRandomValues(new Uint8Array(ID_BYTES))).toString("hex"),
    isPaused: false,
    secret: Buffer.from(crypto.getRandomValues(new Uint8Array(SECRET_BYTES))).toString("base64"),
    by,
    createdMs: nowMs,
    ...(job === undefined ? {} : { job }),
  };
}

export function mayDeliver(principal: Principal, { table }: Pick<Delivery, "table">): boolean {
  return isAuthorized(principal, "admin", { kind: "table", name: table });
}

/** @throws auth.forbidden, request.malformed for a target that is not there, or takes no rows */
export function checkDelivery(
  { deliver, registry }: Pick<ApiPorts, "deliver" | "registry">,
  principal: Principal,
  request: Request,
): void {
  const { table, kafka, postgres, elasticsearch, log } = request;
  if (!mayDeliver(principal, request))
    throw new MuaraError(
      "auth.forbidden",
      `${principal.id} may not deliver "${table}": it takes admin there.`,
    );
  if (kafka && !Object.hasOwn(deliver?.kafka ?? {}, kafka.target))
    throw noTarget("/kafka/target", "deliver.kafka", kafka.target);
  if (postgres && !deliver?.postgres.includes(postgres.target))
    throw noTarget("/postgres/target", "deliver.postgres", postgres.target);
  if (elasticsearch && !Object.hasOwn(deliver?.elasticsearch ?? {}, elasticsearch.target))
    throw noTarget("/elasticsearch/target", "deliver.elasticsearch", elasticsearch.target);
  if (log) checkEventTarget(registry, principal, log.event_type);
}

function noTarget(pointer: string, key: string, name: string): MuaraError {
  return new MuaraError("request.malformed", `${pointer}: ${key} has no "${name}"`, { details: { pointer } });
}

/** @throws delivery.too_many, declaration.conflict */
export async function putDelivery(ports: ApiPorts, delivery: Delivery, by: string): Promise<void> {
  const { registry, deliver } = ports;
  const { name } = delivery;
  const most = deliver?.deliveries ?? 0;
  if (registry.list("delivery").length >= most)
    throw new MuaraError("delivery.too_many", `There are ${most} deliveries already.`, {
      details: { limit: most },
    });
  if (registry.get("delivery", name))
    throw new MuaraError("declaration.conflict", `There is a delivery "${name}" already.`);
  // First how far it is: nobody delivers what has no place.
  await forget(registry, name);
  await registry.put("delivery-position", name, 0, await firstPosition(ports, delivery));
  await registry.put("delivery", name, 0, delivery, by);
}

/** @throws declaration.conflict */
export async function removeDelivery(
  registry: Registry,
  { value, revision }: Declaration<Delivery>,
  by: string,
): Promise<void> {
  await registry.put("delivery", value!.name, revision, null, by);
  await forget(registry, value!.name);
  await dropErasures(registry, value!.id);
}

async function firstPosition({ catalog, clock }: ApiPorts, delivery: Delivery): Promise<DeliveryPosition> {
  const { version, metadata } = await catalog.snapshot(delivery.table);
  return {
    ...nothingDelivered(delivery, clock.nowMs()),
    tableId: metadata?.id ?? "",
    version,
    snapshot: delivery.from === "begin" && version >= 0 ? version : null,
  };
}

/** Whoever delivers may be writing it at the same moment, once. */
async function forget(registry: Registry, name: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const stored = registry.get("delivery-position", name);
    if (!stored) return;
    try {
      await registry.put("delivery-position", name, stored.revision, null);
      return;
    } catch (error) {
      if (tries >= 3 || !hasCode(error, "declaration.conflict")) throw error;
    }
  }
}
