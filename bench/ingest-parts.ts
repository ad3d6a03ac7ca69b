/**
 * What a durable request is made of beside its HTTP: the publish between body and log, and the append. `ingest.ts`
 * holds the whole against their sum.
 */
import { EVERYTHING } from "../core/authorize.ts";
import { systemClock } from "../core/clock.ts";
import type { Kernel } from "../core/kernel.ts";
import type { Log } from "../core/ports/log.ts";
import type { RecordBatch } from "../core/record.ts";
import { Registry } from "../core/registry.ts";
import { Contracts } from "../workers/ingest/contract.ts";
import { declareEventType } from "../workers/ingest/declaration.ts";
import { publish } from "../workers/ingest/publish.ts";

const STREAM = "bench.parts";

export interface Parts {
  /** From a body to batches that are dropped. */
  readonly publish: (body: Uint8Array) => Promise<void>;
  /** Of such a batch to the log on disk, durable once it resolves. */
  readonly append: () => Promise<void>;
}

/** @param log drops what is appended to event types @param declaration of the one type */
export async function openParts(
  kernel: Kernel,
  log: Log,
  disk: Log,
  declaration: Readonly<Record<string, unknown>> & { readonly name: string },
  body: Uint8Array,
): Promise<Parts> {
  let batch: RecordBatch | undefined;
  const append = log.append.bind(log);
  log.append = (stream, partition, given, producer) => {
    if (stream === declaration.name) batch = given;
    return append(stream, partition, given, producer);
  };
  const registry = await Registry.open(log, "parts", systemClock);
  await declareEventType({ log, registry, clock: systemClock }, declaration);
  await disk.createStream(STREAM, { partitions: 1, cleanup: "delete", retentionMs: 1e12 });
  const contracts = new Contracts({ log, registry, kernel }, { maxBytes: 999_000, maxDepth: 64 });
  const publishOnce = async (bytes: Uint8Array): Promise<void> => {
    const answer = await contracts.use(declaration.name, (contract) =>
      publish(log, kernel, {
        contract,
        body: bytes,
        principal: { id: "bench", grants: EVERYTHING },
        flowId: "bench",
        maxEvents: 10_000,
        spare: 0,
      }),
    );
    if (answer.status !== 200) throw new Error(await answer.text());
  };
  await publishOnce(body);
  const kept = { ...batch!, bytes: batch!.bytes.slice() };
  return { publish: publishOnce, append: async () => void (await disk.append(STREAM, 0, kept)) };
}
