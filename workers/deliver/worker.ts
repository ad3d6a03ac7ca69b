/** Runs what is declared, for as long as it is declared and not paused. */
import { isAssertion } from "../../core/assert.ts";
import type { Delivery } from "../../core/delivery.ts";
import type { Sample } from "../../core/open-metrics.ts";
import type { Sink } from "../../core/ports/sink.ts";
import { DeliveryLoop, type DeliverOptions, type DeliverPorts } from "./delivery-loop.ts";

const LOOK_MS = 500;

export interface DeliverWorkerPorts extends DeliverPorts {
  /** @throws config.invalid where the delivery names a target that is not there */
  readonly openSink: (delivery: Delivery) => Promise<Sink>;
}

export interface DeliverWorker {
  run(signal: AbortSignal): Promise<void>;
  samples(): readonly Sample[];
}

interface Running {
  readonly delivery: Delivery;
  readonly abort: AbortController;
  done: Promise<void>;
  loop: DeliveryLoop | undefined;
}

export function createDeliverWorker(ports: DeliverWorkerPorts, options: DeliverOptions): DeliverWorker {
  return new Deliveries(ports, options);
}

class Deliveries implements DeliverWorker {
  readonly #ports: DeliverWorkerPorts;
  readonly #options: DeliverOptions;
  readonly #running = new Map<string, Running>();
  /** By name: the end of the one before. */
  readonly #ended = new Map<string, Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(ports: DeliverWorkerPorts, options: DeliverOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    let seen = -1;
    while (!signal.aborted) {
      if (this.#failure) throw this.#failure.error;
      const { changeCount } = this.#ports.registry;
      if (changeCount !== seen) this.#adopt();
      seen = changeCount;
      await this.#ports.clock.sleep(LOOK_MS, signal);
    }
    const all = [...this.#running.values()];
    for (const one of all) one.abort.abort();
    await Promise.all([...all.map(({ done }) => done), ...this.#ended.values()]);
  }

  samples(): readonly Sample[] {
    return [...this.#running.values()].flatMap(({ delivery: { name }, loop }): readonly Sample[] => {
      const position = loop?.position;
      if (!position) return [];
      const labels = { delivery: name };
      return [
        { name: "muara_delivery_rows", labels, value: position.delivered },
        { name: "muara_delivery_dead_rows", labels, value: position.dead },
        { name: "muara_delivery_failing", labels, value: position.state === "failing" ? 1 : 0 },
        { name: "muara_delivery_version", labels, value: position.version },
      ];
    });
  }

  #adopt(): void {
    const declared = new Map<string, Delivery>();
    for (const { value } of this.#ports.registry.list<Delivery>("delivery"))
      if (value && !value.isPaused) declared.set(value.name, value);
    for (const [name, { delivery, abort, done }] of this.#running)
      if (declared.get(name)?.id !== delivery.id) {
        abort.abort();
        this.#ended.set(name, done);
        this.#running.delete(name);
      }
    for (const delivery of declared.values()) if (!this.#running.has(delivery.name)) this.#start(delivery);
  }

  #start(delivery: Delivery): void {
    const running: Running = {
      delivery,
      abort: new AbortController(),
      done: Promise.resolve(),
      loop: undefined,
    };
    this.#running.set(delivery.name, running);
    running.done = this.#deliver(running).catch((error: unknown) => {
      if (isAssertion(error)) this.#failure = { error };
      this.#ports.logger.error("a delivery has stopped", { delivery: delivery.name, error });
    });
  }

  async #deliver(running: Running): Promise<void> {
    const { delivery, abort } = running;
    await this.#ended.get(delivery.name);
    const sink = await this.#ports.openSink(delivery);
    try {
      running.loop = new DeliveryLoop(this.#ports, this.#options, delivery, sink);
      await running.loop.run(abort.signal);
    } finally {
      await sink.close();
    }
  }
}
