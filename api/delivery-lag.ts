/** How far a delivery is behind its table. */
import type { Delivery, DeliveryPosition } from "../core/delivery.ts";
import type { ApiPorts } from "./context.ts";

export interface DeliveryLag {
  /** Undefined before the first batch. */
  readonly position: DeliveryPosition | undefined;
  /** null where it is not known. */
  readonly behindVersions: number | null;
  /** Age of the oldest commit that is not delivered, ms; 0 where all is. */
  readonly lagMs: number | null;
}

export async function lagOfDelivery(
  ports: Pick<ApiPorts, "registry" | "catalog" | "clock">,
  { name, id, table }: Delivery,
): Promise<DeliveryLag> {
  const stored = ports.registry.get<DeliveryPosition>("delivery-position", name)?.value;
  const position = stored?.id === id ? stored : undefined;
  const newest = await ports.catalog.snapshot(table).catch(() => undefined);
  if (!newest || !position) return { position, behindVersions: null, lagMs: null };
  return {
    position,
    behindVersions: Math.max(0, newest.version - position.version),
    lagMs: await lagMs(ports, table, position, newest.version),
  };
}

async function lagMs(
  { catalog, clock }: Pick<ApiPorts, "catalog" | "clock">,
  table: string,
  { version, snapshot }: DeliveryPosition,
  newest: number,
): Promise<number | null> {
  if (version >= newest && snapshot === null) return 0;
  const commit = await catalog
    .log(table)
    .read(snapshot ?? version + 1)
    .catch(() => undefined);
  return commit ? Math.max(0, clock.nowMs() - commit.timestampMs) : null;
}
