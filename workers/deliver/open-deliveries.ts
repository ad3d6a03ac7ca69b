/** The worker of deliveries with the sinks that this release has. */
import type { Config } from "../../core/config.ts";
import type { Delivery } from "../../core/delivery.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Sink } from "../../core/ports/sink.ts";
import type { DeliverPorts } from "./delivery-loop.ts";
import { openLogSink } from "./log-sink.ts";
import { createDeliverWorker, type DeliverWorker } from "./worker.ts";

export interface SinkOpeners {
  readonly webhook: (options: {
    readonly url: string;
    readonly secret: string;
    readonly timeoutMs: number;
  }) => Sink;
  readonly log: (address: string) => Promise<Log>;
}

export function openDeliveries(
  ports: DeliverPorts,
  openers: SinkOpeners,
  { deliver }: Pick<Config, "deliver">,
): DeliverWorker {
  const openSink = async (delivery: Delivery): Promise<Sink> => {
    const { url, kafka, secret, timeout_ms: timeoutMs } = delivery;
    if (url !== undefined) return openers.webhook({ url, secret, timeoutMs });
    const address = Object.hasOwn(deliver.kafka, kafka!.target) ? deliver.kafka[kafka!.target] : undefined;
    if (address !== undefined) return openLogSink(await openers.log(address), kafka!.topic, delivery.id);
    throw new MuaraError("config.invalid", `deliver.kafka has no "${kafka!.target}"`, {
      details: { key: "deliver.kafka" },
    });
  };
  return createDeliverWorker({ ...ports, openSink }, deliver);
}
