/** The worker of deliveries with the sinks that this release has. */
import type { Config } from "../../core/config.ts";
import type { DatabaseAddress } from "../../core/database-address.ts";
import type { Delivery, PostgresTarget } from "../../core/delivery.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Sink } from "../../core/ports/sink.ts";
import type { ReadSecret } from "../../core/secret.ts";
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
  readonly postgres: (
    options: {
      readonly address: DatabaseAddress;
      readonly readSecret: ReadSecret;
      readonly id: string;
      readonly name: string;
      readonly target: PostgresTarget;
      readonly timeoutMs: number;
    },
    connectionsMax: number,
  ) => Promise<Sink>;
}

export function openDeliveries(
  ports: DeliverPorts & { readonly readSecret: ReadSecret },
  openers: SinkOpeners,
  { deliver, postgres: databases }: Pick<Config, "deliver" | "postgres">,
): DeliverWorker {
  const { readSecret } = ports;
  const openSink = async (delivery: Delivery): Promise<Sink> => {
    const { id, name, url, kafka, postgres, secret, timeout_ms: timeoutMs } = delivery;
    if (url !== undefined) return openers.webhook({ url, secret, timeoutMs });
    if (postgres) {
      const isAllowed =
        deliver.postgres.includes(postgres.target) && Object.hasOwn(databases, postgres.target);
      const known = isAllowed ? databases[postgres.target] : undefined;
      if (known) {
        const options = { address: known, readSecret, id, name, target: postgres, timeoutMs };
        return openers.postgres(options, deliver.postgresConnections);
      }
      throw new MuaraError("config.invalid", `deliver.postgres, or postgres, has no "${postgres.target}"`, {
        details: { key: "deliver.postgres" },
      });
    }
    const address = Object.hasOwn(deliver.kafka, kafka!.target) ? deliver.kafka[kafka!.target] : undefined;
    if (address !== undefined) return openLogSink(await openers.log(address), kafka!.topic, delivery.id);
    throw new MuaraError("config.invalid", `deliver.kafka has no "${kafka!.target}"`, {
      details: { key: "deliver.kafka" },
    });
  };
  return createDeliverWorker({ ...ports, openSink }, deliver);
}
