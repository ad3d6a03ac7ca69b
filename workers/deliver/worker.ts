/** Runs what is declared, for as long as it is declared and not paused. */
import { DeclaredRuns } from "../../core/declared-runs.ts";
import type { Delivery, DeliveryPosition } from "../../core/delivery.ts";
import type { Sample } from "../../core/open-metrics.ts";
import type { Sink } from "../../core/ports/sink.ts";
import { DeliveryLoop, type DeliverOptions, type DeliverPorts } from "./delivery-loop.ts";

export interface DeliverWorkerPorts extends DeliverPorts {
  /** @throws config.invalid where the delivery names a target that is not there */
  readonly openSink: (delivery: Delivery) => Promise<Sink>;
}

export interface DeliverWorker {
  run(signal: AbortSignal): Promise<void>;
  samples(): readonly Sample[];
}

export function createDeliverWorker(ports: DeliverWorkerPorts, options: DeliverOptions): DeliverWorker {
  const runs = new DeclaredRuns<Delivery, DeliveryLoop>(ports, {
    kind: "delivery",
    run: async (delivery, begun, signal) => {
      const sink = await ports.openSink(delivery);
      try {
        const loop = new DeliveryLoop(ports, options, delivery, sink);
        begun(loop);
        await loop.run(signal);
      } finally {
        await sink.close();
      }
    },
  });
  return {
    run: (signal) => runs.run(signal),
    samples: () => [...runs.loops()].flatMap(([name, { position }]) => samplesOf(name, position)),
  };
}

function samplesOf(delivery: string, position: DeliveryPosition | undefined): readonly Sample[] {
  if (!position) return [];
  const labels = { delivery };
  return [
    { name: "muara_delivery_rows", labels, value: position.delivered },
    { name: "muara_delivery_dead_rows", labels, value: position.dead },
    { name: "muara_delivery_failing", labels, value: position.state === "failing" ? 1 : 0 },
    { name: "muara_delivery_version", labels, value: position.version },
  ];
}
