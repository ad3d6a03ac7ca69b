/** Which partition each event of a scan goes to: the type's strategy, on the scan's columns (core/partition.ts). */
import {
  FLAG_MALFORMED,
  FLAG_MISSING,
  FLAG_WRONG_TYPE,
  VALUE_ABSENT,
  VALUE_ARRAY,
  VALUE_OBJECT,
} from "../../core/kernel-abi.ts";
import type { Scan } from "../../core/kernel-scan.ts";
import {
  needsIdentities,
  partitionNamed,
  partitionOfHash,
  partitionOfIdentity,
} from "../../core/partition.ts";
import type { Contract } from "./contract.ts";
import type { Failures } from "./failures.ts";

const NO_ID = FLAG_MISSING | FLAG_WRONG_TYPE | FLAG_MALFORMED;

/**
 * @param spare partition for events that nothing assigns
 * @returns [event] partitions; of an event that has none, 0 and a failure
 */
export function assignPartitions(
  contract: Contract,
  scan: Scan,
  failures: Failures,
  spare: number,
): Uint32Array {
  const assigned = new Uint32Array(scan.count);
  switch (contract.type.partition_strategy) {
    case "hash":
      byHash(contract, scan, failures, assigned);
      break;
    case "user_defined":
      byName(contract, scan, failures, assigned);
      break;
    case "random":
      if (contract.places.compactionKey >= 0) byCompactionKey(contract, scan, assigned);
      else byIdentity(contract, scan, assigned, spare);
  }
  return assigned;
}

function byHash(contract: Contract, scan: Scan, failures: Failures, assigned: Uint32Array): void {
  const sums = new Int32Array(scan.count);
  contract.places.keys.forEach((place, k) => {
    const { types } = scan.field(place);
    const hashes = scan.javaHashes(place);
    const field = contract.paths.key[k]!.join("/");
    for (let item = 0; item < scan.count; item++) {
      const type = types[item]!;
      sums[item]! += hashes[item]!;
      if (type !== VALUE_ABSENT && type !== VALUE_OBJECT && type !== VALUE_ARRAY) continue;
      const reason = type === VALUE_ABSENT ? "is missing" : "must be a string, number or boolean";
      failures.add(item, "partitioning", "event.key_missing", `#/${field}`, reason);
    }
  });
  for (let item = 0; item < scan.count; item++) assigned[item] = partitionOfHash(sums[item]!, contract.order);
}

/** Only what is in one partition is compacted. An event without the key was refused already. */
function byCompactionKey({ places, order }: Contract, scan: Scan, assigned: Uint32Array): void {
  const hashes = scan.javaHashes(places.compactionKey);
  for (let item = 0; item < scan.count; item++) assigned[item] = partitionOfHash(hashes[item]!, order);
}

function byName(contract: Contract, scan: Scan, failures: Failures, assigned: Uint32Array): void {
  const { places, partitions } = contract;
  for (let item = 0; item < scan.count; item++) {
    const name = scan.text(places.partition, item);
    const partition = name === null ? undefined : partitionNamed(name, partitions);
    if (partition !== undefined) {
      assigned[item] = partition;
      continue;
    }
    const reason = name === null ? "is missing" : `must be one of 0 to ${partitions - 1}`;
    failures.add(item, "partitioning", "event.partition_unknown", "#/metadata/partition", reason);
  }
}

function byIdentity(contract: Contract, scan: Scan, assigned: Uint32Array, spare: number): void {
  const { places, partitions, type } = contract;
  if (!needsIdentities(type, partitions)) return;
  if (places.id < 0) {
    assigned.fill(spare);
    return;
  }
  const { flags } = scan.field(places.id);
  const identities = scan.identities(places.id);
  const words = new Uint32Array(identities.buffer, identities.byteOffset, identities.length * 2);
  for (let item = 0; item < scan.count; item++) {
    const hasId = (flags[item]! & NO_ID) === 0;
    assigned[item] = hasId ? partitionOfIdentity(words[item * 4]!, words[item * 4 + 1]!, partitions) : spare;
  }
}
