/**
 * Events as another Nakadi's subscribers get them have in their `metadata` what that one added when it accepted them.
 * Here it is taken out again, which leaves what the producer sent: what our door judges, what a dead letter can be
 * replayed from, and what our own subscribers get our own additions spliced into. What was taken out is kept beside,
 * for the record's header.
 *
 * No object is made per event; events that are not well-formed stay as they are, for the judge to say so.
 */
import type { Kernel } from "../../../core/kernel.ts";
import { VALUE_OBJECT } from "../../../core/kernel-abi.ts";
import type { Scan } from "../../../core/kernel-scan.ts";
import type { Contract } from "../contract.ts";
import { scanEvents } from "../publish.ts";
import { ByteWriter } from "../streams/byte-writer.ts";
import { MemberWalk } from "../streams/json-members.ts";

const encoder = new TextEncoder();
const quoted = (name: string): Uint8Array => encoder.encode(`"${name}"`);
const ADDED = ["received_at", "version", "published_by", "event_type"].map(quoted);
const PARTITION = quoted("partition");
const OPEN = 0x5b;
const CLOSE = 0x5d;
const COMMA = 0x2c;

export interface Stripped {
  readonly scan: Scan;
  /** Members that were taken out, with commas between those of one event. */
  readonly taken: Uint8Array;
  /** [event] where its members end in `taken`; they start where those of the one before end. */
  readonly takenEnds: Uint32Array;
}

/**
 * @param keepsPartition whether `metadata.partition` decides where the event goes
 * @param events JSON array
 */
export function stripMetadata(
  kernel: Kernel,
  contract: Contract,
  events: Uint8Array,
  keepsPartition: boolean,
  maxEvents: number,
): Stripped {
  const scan = scanEvents(kernel, contract, events, maxEvents);
  const takenEnds = new Uint32Array(scan.count);
  const nothing = { scan, taken: new Uint8Array(0), takenEnds };
  if (scan.failure || contract.places.metadata < 0) return nothing;
  const names = keepsPartition ? ADDED : [...ADDED, PARTITION];
  const taken = new ByteWriter(scan.count * 96);
  const body = rewrite(contract, scan, names, taken, takenEnds);
  if (taken.length === 0) return nothing;
  const stripped = scanEvents(kernel, contract, body, maxEvents);
  return { scan: stripped, taken: taken.done(), takenEnds };
}

function rewrite(
  contract: Contract,
  scan: Scan,
  names: readonly Uint8Array[],
  taken: ByteWriter,
  takenEnds: Uint32Array,
): Uint8Array {
  const { bytes, starts, lengths, verdicts, count } = scan;
  const metadata = scan.field(contract.places.metadata);
  const out = new ByteWriter(bytes.length);
  const walk = new MemberWalk();
  out.byte(OPEN);
  for (let item = 0; item < count; item++) {
    if (item > 0) out.byte(COMMA);
    const start = starts[item]!;
    const end = start + lengths[item]!;
    const at = metadata.starts[item]!;
    const hasMetadata = verdicts[item] === 0 && metadata.types[item] === VALUE_OBJECT;
    if (!hasMetadata || !walk.enter(bytes, at)) out.copy(bytes, start, end);
    else {
      out.copy(bytes, start, at + 1);
      copyOthers(walk, bytes, names, out, taken, takenEnds[item - 1] ?? 0);
      out.copy(bytes, at + metadata.lengths[item]! - 1, end);
    }
    takenEnds[item] = taken.length;
  }
  out.byte(CLOSE);
  return out.done();
}

/** Members of one object: those of `names` to `taken`, all others to `out`. */
function copyOthers(
  walk: MemberWalk,
  bytes: Uint8Array,
  names: readonly Uint8Array[],
  out: ByteWriter,
  taken: ByteWriter,
  takenFrom: number,
): void {
  let isFirst = true;
  while (walk.next()) {
    if (names.some((name) => walk.isKey(name))) {
      if (taken.length > takenFrom) taken.byte(COMMA);
      taken.copy(bytes, walk.keyAt, walk.valueEnd);
      continue;
    }
    if (!isFirst) out.byte(COMMA);
    isFirst = false;
    out.copy(bytes, walk.keyAt, walk.valueEnd);
  }
}
