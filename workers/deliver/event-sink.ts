/**
 * Rows as events of a type of the same Muara, by the door's own checks and through the log's port: what the door would
 * refuse is refused, and becomes a dead letter of the delivery. A row that comes again is the same event under the same
 * id, which landing counts as a duplicate: it is in the lake once.
 */
import type { Delivery } from "../../core/delivery.ts";
import { MuaraError } from "../../core/errors.ts";
import type { EventType } from "../../core/event-type.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Sink, SinkBatch, SinkOutcome } from "../../core/ports/sink.ts";
import type { Registry } from "../../core/registry.ts";
import { checkNotBlocked } from "../../core/settings.ts";
import { assignPartitions } from "../ingest/assign.ts";
import { buildBatches } from "../ingest/batches.ts";
import type { Contract, Contracts } from "../ingest/contract.ts";
import { Failures } from "../ingest/failures.ts";
import { Judge } from "../ingest/judge.ts";
import { appendAll, checkBody, scanEvents } from "../ingest/publish.ts";
import { rowEvents } from "./row-event.ts";

export interface EventSinkPorts {
  readonly log: Log;
  readonly registry: Registry;
  readonly kernel: Kernel;
  readonly contracts: Contracts;
}

type Own = Pick<Delivery, "id" | "name" | "table" | "by">;

export function createEventSink(ports: EventSinkPorts, delivery: Own, eventType: string): Sink {
  return new EventSink(ports, delivery, eventType);
}

class EventSink implements Sink {
  readonly guarantee = "idempotent";
  readonly #ports: EventSinkPorts;
  readonly #delivery: Own;
  readonly #eventType: string;

  constructor(ports: EventSinkPorts, delivery: Own, eventType: string) {
    this.#ports = ports;
    this.#delivery = delivery;
    this.#eventType = eventType;
  }

  async write(batch: SinkBatch): Promise<SinkOutcome> {
    const { contracts, registry } = this.#ports;
    try {
      checkNotBlocked(registry, "PRODUCER", this.#delivery.by, [this.#eventType]);
      const type = await contracts.use(this.#eventType, (contract) => contract.type);
      const events = await rowEvents(this.#delivery, batch, type);
      const body = new TextEncoder().encode(`[${events.join(",\n")}]`);
      return await contracts.use(this.#eventType, (contract) =>
        contract.type === type ? this.#publish(contract, body, batch) : REDECLARED,
      );
    } catch (error) {
      if (!(error instanceof MuaraError)) throw error;
      return outcomeOf(error);
    }
  }

  async close(): Promise<void> {}

  /** Nothing is awaited between the scan and the batches: another scan overwrites its columns. */
  async #publish(contract: Contract, body: Uint8Array, { id, rows }: SinkBatch): Promise<SinkOutcome> {
    const { log, kernel } = this.#ports;
    const scan = scanEvents(kernel, contract, body, rows.length);
    checkBody(scan, rows.length);
    const failures = new Failures();
    new Judge(contract, scan, failures).run();
    const assigned = assignPartitions(contract, scan, failures, 0);
    if (failures.size > 0) return { outcome: "refused", reason: reasonOf(failures, rows.length) };
    const batches = buildBatches(contract, scan, assigned, headersOf(contract.type, id, this.#delivery.by));
    const failed = (await appendAll(log, contract.type.name, batches)).find((one) => one !== undefined);
    return failed ? outcomeOf(failed) : { outcome: "taken" };
  }
}

const REDECLARED: SinkOutcome = { outcome: "later", reason: "The event type was just declared anew." };

/** What is about the rows themselves: a value that is no JSON breaks the body around it. */
function outcomeOf({ code, message }: MuaraError): SinkOutcome {
  const isOfRows =
    code === "log.batch_too_large" || code === "request.malformed" || code === "batch.too_many";
  return { outcome: isOfRows ? "refused" : "later", reason: message };
}

function reasonOf(failures: Failures, count: number): string {
  for (let i = 0; i < count; i++) {
    const failure = failures.get(i);
    if (failure) return `${failure.code}: ${failure.pointer}: ${failure.reason}`;
  }
  return "refused";
}

function headersOf(type: EventType, flowId: string, by: string) {
  const header = { flow_id: flowId, schema_version: type.schema.version, published_by: by };
  const bytes = new TextEncoder().encode(JSON.stringify(header));
  return { withFlowId: bytes, withoutFlowId: bytes };
}
