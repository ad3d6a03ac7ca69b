/** The worker of deliveries with the sinks that this release has. */
import type { Config } from "../../core/config.ts";
import type { DatabaseAddress } from "../../core/database-address.ts";
import type { Delivery, PostgresTarget } from "../../core/delivery.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Sink } from "../../core/ports/sink.ts";
import type { SearchAddress } from "../../core/search-address.ts";
import type { SearchTarget } from "../../core/search-target.ts";
import type { ReadSecret } from "../../core/secret.ts";
import { type ContractPorts, Contracts } from "../ingest/contract.ts";
import type { DeliverPorts } from "./delivery-loop.ts";
import { createEventSink } from "./event-sink.ts";
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
  readonly elasticsearch: (request: {
    readonly address: SearchAddress;
    readonly readSecret: ReadSecret;
    readonly id: string;
    readonly createdMs: number;
    readonly target: SearchTarget;
    readonly timeoutMs: number;
  }) => Promise<Sink>;
}

export function openDeliveries(
  ports: DeliverPorts & ContractPorts & { readonly readSecret: ReadSecret },
  openers: SinkOpeners,
  { deliver, postgres: databases, limits }: Pick<Config, "deliver" | "postgres" | "limits">,
): DeliverWorker {
  const { readSecret } = ports;
  const contracts = new Contracts(ports, { maxBytes: limits.eventBytes, maxDepth: limits.depth });
  const openSink = async (delivery: Delivery): Promise<Sink> => {
    const { id, name, url, kafka, postgres, elasticsearch, secret, timeout_ms: timeoutMs } = delivery;
    if (delivery.log) return createEventSink({ ...ports, contracts }, delivery, delivery.log.event_type);
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
    if (elasticsearch) {
      const { target } = elasticsearch;
      const known = Object.hasOwn(deliver.elasticsearch, target) ? deliver.elasticsearch[target] : undefined;
      if (!known) throw notConfigured("deliver.elasticsearch", target);
      const { createdMs } = delivery;
      return openers.elasticsearch({
        address: known,
        readSecret,
        id,
        createdMs,
        target: elasticsearch,
        timeoutMs,
      });
    }
    const address = Object.hasOwn(deliver.kafka, kafka!.target) ? deliver.kafka[kafka!.target] : undefined;
    if (address !== undefined) return openLogSink(await openers.log(address), kafka!.topic, delivery.id);
    throw notConfigured("deliver.kafka", kafka!.target);
  };
  return createDeliverWorker({ ...ports, openSink }, deliver);
}

function notConfigured(key: string, name: string): MuaraError {
  return new MuaraError("config.invalid", `${key} has no "${name}"`, { details: { key } });
}
