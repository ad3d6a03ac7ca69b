/**
 * What the door needs to know of an event type for every request: compiled once per revision, kept for as long as
 * the cache has room.
 */
import type { EventType, EnvelopePaths } from "../../core/event-type.ts";
import { envelopePaths, hasMetadata } from "../../core/event-type.ts";
import { isCaptured } from "../../core/event-type-annotations.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { ScanLimits, ScanPath, ScanPlan } from "../../core/kernel-scan.ts";
import { needsIdentities, partitionOrder } from "../../core/partition.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Registry } from "../../core/registry.ts";
import { ensureStream, findEventType, notFound } from "./declaration.ts";
import { planSchema } from "../../core/schema-plan.ts";
import { compilePayloadSchema, effectiveSchema, type PayloadCheck } from "./payload-schema.ts";

const CONTRACTS_MAX = 500;

/** A member that an object of the envelope may have. */
export interface Member {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Its value's place in the scan plan. */
  readonly place: number;
}

/** Places in the scan plan; -1 where the category has no such field. */
export interface FieldPlaces {
  readonly id: number;
  readonly time: number;
  /** The object `metadata` itself and what may be in it, by name. */
  readonly metadata: number;
  readonly members: readonly Member[];
  readonly eventType: number;
  readonly flowId: number;
  readonly partition: number;
  /** What may stand at the top of a data event, and what a CloudEvent knows of there, by name. */
  readonly top: readonly Member[];
  readonly data: number;
  /** What decides the partition of strategy `hash`. */
  readonly keys: readonly number[];
  /** Of a compacted type. */
  readonly compactionKey: number;
  /** What becomes the record's key. */
  readonly recordKeys: readonly number[];
}

export interface Contract {
  readonly type: EventType;
  readonly revision: number;
  readonly paths: EnvelopePaths;
  readonly plan: ScanPlan;
  readonly places: FieldPlaces;
  /**
   * null: any JSON object is a payload, so no event is parsed. Of a plan with checks it is asked only about events that
   * the scan found a violation in.
   */
  readonly check: PayloadCheck | null;
  readonly partitions: number;
  readonly order: Uint32Array;
  /** What `metadata.event_type` must say. */
  readonly nameBytes: Uint8Array;
}

export interface ContractPorts {
  readonly log: Log;
  readonly registry: Registry;
  readonly kernel: Kernel;
}

export class Contracts {
  readonly #ports: ContractPorts;
  readonly #limits: ScanLimits;
  /** By event type name, the longest unused first. */
  readonly #known = new Map<string, Contract>();

  constructor(ports: ContractPorts, limits: ScanLimits) {
    this.#ports = ports;
    this.#limits = limits;
  }

  /**
   * Calls `use` with the contract at its newest revision. The contract's plan may be destroyed as soon as another
   * is asked for: what needs it runs before `use` first waits for anything.
   * @throws event_type.not_found
   */
  async use<Result>(name: string, use: (contract: Contract) => Result): Promise<Awaited<Result>> {
    const declared = (await findEventType(this.#ports.registry, name)) ?? notFound(name);
    if (this.#known.get(name)?.revision !== declared.revision) {
      const stream = await ensureStream(this.#ports.log, declared.value!);
      this.#keep(name, this.#compile(declared.value!, declared.revision, stream.partitions));
    }
    const contract = this.#known.get(name)!;
    this.#known.delete(name);
    this.#known.set(name, contract);
    return await use(contract);
  }

  #keep(name: string, contract: Contract): void {
    this.#known.get(name)?.plan.destroy();
    this.#known.delete(name);
    this.#known.set(name, contract);
    const oldest = this.#known.entries().next().value!;
    if (this.#known.size > CONTRACTS_MAX) {
      oldest[1].plan.destroy();
      this.#known.delete(oldest[0]);
    }
  }

  #compile(type: EventType, revision: number, partitions: number): Contract {
    const paths = envelopePaths(type);
    const { scanPaths, places } = layOut(type, paths, partitions);
    const check = compilePayloadSchema(type);
    const checks = check ? planSchema(effectiveSchema(type), paths.body).description : null;
    return {
      type,
      revision,
      paths,
      places,
      check,
      plan: this.#ports.kernel.plan(scanPaths, this.#limits, checks),
      partitions,
      order: partitionOrder(partitions),
      nameBytes: new TextEncoder().encode(type.name),
    };
  }
}

/** Who decides whether an event is as its schema says, for the log: parsing events is what costs. */
export function describeJudge(type: EventType): string {
  const { beyond } = planSchema(effectiveSchema(type));
  return beyond === null
    ? "checked without parsing"
    : `parses every event, because of ${beyond.slice(0, 300)}`;
}

/** What the rules of a category say of an event's own members. */
const TOP: Partial<Record<EventType["category"], readonly string[]>> = {
  data: ["metadata", "data_op", "data_type", "data"],
  cloudevent: [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "subject",
    "datacontenttype",
    "dataschema",
    "data",
    "data_base64",
  ],
};

const TOP_OF_CHANGES = ["source", "before"];

function topOf(type: EventType): readonly string[] {
  const top = TOP[type.category] ?? [];
  return isCaptured(type) ? [...top, ...TOP_OF_CHANGES] : top;
}

function layOut(
  type: EventType,
  paths: EnvelopePaths,
  partitions: number,
): { scanPaths: ScanPath[]; places: FieldPlaces } {
  const scanPaths: ScanPath[] = [];
  const place = (keys: readonly string[] | undefined, kind: ScanPath["kind"] = "text"): number =>
    keys ? scanPaths.push({ keys, kind }) - 1 : -1;
  const isNakadi = hasMetadata(type);
  const hasNoIdentity = !needsIdentities(type, partitions);
  const scope = place(paths.idScope);
  const idPath = { kind: "id", hasNoIdentity, ...(scope < 0 ? {} : { scope }) } as const;
  const id = paths.id ? scanPaths.push({ keys: paths.id, ...idPath }) - 1 : -1;
  const time = place(paths.time, "time");
  const metadata = isNakadi ? place(["metadata"]) : -1;
  const eventType = place(paths.eventType);
  const flowId = place(paths.flowId);
  const partition = place(paths.partition);
  const compactionKey = paths.compactionKey
    ? scanPaths.push({ keys: paths.compactionKey, kind: "text", javaHash: true }) - 1
    : -1;
  const members = isNakadi
    ? [
        ...(paths.compactionKey ? [member("partition_compaction_key", compactionKey)] : []),
        member("eid", id),
        member("occurred_at", time),
        member("event_type", eventType),
        member("flow_id", flowId),
        member("partition", partition),
        member("parent_eids", place(["metadata", "parent_eids"])),
        member("span_ctx", place(["metadata", "span_ctx"])),
      ]
    : [];
  const data = place(paths.body.length > 0 ? paths.body : undefined);
  const known = new Map([
    ["metadata", metadata],
    ["data", data],
    ["id", id],
    ...(scope < 0 ? [] : [["source", scope] as const]),
    ["time", time],
    ["type", eventType],
  ]);
  const top = topOf(type).map((name) => member(name, known.get(name) ?? place([name])));
  const isHash = type.partition_strategy === "hash";
  const keys = isHash
    ? paths.key.map((path) => scanPaths.push({ keys: path, kind: "text", javaHash: true }) - 1)
    : [];
  const recordKeys = compactionKey < 0 ? keys : [compactionKey];
  const envelope = { id, time, metadata, members, eventType, flowId, partition };
  return { scanPaths, places: { ...envelope, top, data, keys, compactionKey, recordKeys } };
}

function member(name: string, place: number): Member {
  return { name, place, bytes: new TextEncoder().encode(name) };
}
