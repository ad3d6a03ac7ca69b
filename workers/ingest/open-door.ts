/** The door of a process that keeps running: with streams and subscriptions, and with replays of dead letters. */
import type { Config } from "../../core/config.ts";
import type { Gauge } from "../../core/open-metrics.ts";
import type { Kernel } from "../../core/kernel.ts";
import { Quotas } from "../../core/quota.ts";
import { rehearse } from "../land/rehearsal.ts";
import { createIngestApp, Door } from "./app.ts";
import { lowLevelRoutes } from "./streams/low-level.ts";
import { StreamHost, type StreamPorts } from "./streams/stream-host.ts";
import { subscriptionRoutes } from "./subscriptions/routes.ts";
import { createSubscriptions } from "./subscriptions/subscriptions.ts";

const HOUR_MS = 3_600_000;

export interface DoorPorts extends StreamPorts {
  readonly kernel: Kernel;
  /** The log can have no other process. */
  readonly isAlone: boolean;
}

export interface OpenDoor {
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** Publishes dead letters again, and tells what would become of them. */
  readonly replay: {
    readonly publish: Door["replay"];
    readonly rehearse: (
      type: Parameters<typeof rehearse>[2],
      payloads: Parameters<typeof rehearse>[3],
    ) => ReturnType<typeof rehearse>;
    readonly horizonMs: number;
  };
  readonly samples: Gauge;
  /** Ends the streams that are open. */
  readonly close: () => Promise<void>;
}

export function openDoor(
  ports: DoorPorts,
  { limits, land, streams, eventTypes, quotas: rates }: Config,
): OpenDoor {
  const quotas = new Quotas(rates, ports.clock);
  const { inFlightBytes, queueMs } = limits;
  const options = { limits, eventTypes, inFlightBytes, queueMs, quotas };
  const door = new Door(ports, options);
  const host = new StreamHost({ ...ports, quotas }, streams);
  const subscriptions = createSubscriptions(host, ports.isAlone);
  const app = createIngestApp(ports, options, door, [
    lowLevelRoutes(host),
    subscriptionRoutes(subscriptions),
  ]);
  return {
    fetch: (request) => app.fetch(request),
    replay: {
      publish: (again) => door.replay(again),
      rehearse: (type, payloads) => rehearse(ports, { ...limits, skewMs: land.skewMs }, type, payloads),
      horizonMs: land.horizonHours * HOUR_MS,
    },
    samples: () => door.samples(),
    close: async () => {
      host.close();
      await subscriptions.close();
    },
  };
}

const PREFIXES = [
  "/event-types/",
  "/subscriptions/",
  "/registry/",
  "/settings/",
  "/storages/",
  "/avro-schemas/",
] as const;
const PATHS = ["/health", "/version", "/cloudevents", "/event-types", "/subscriptions", "/storages"] as const;

/** Whether an address is one of the door's, on the origin that it shares with the read side. */
export function isDoorPath(path: string): boolean {
  return PATHS.some((one) => one === path) || PREFIXES.some((prefix) => path.startsWith(prefix));
}
