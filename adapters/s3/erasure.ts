/**
 * Erasure of records: a group is written anew under its own name, with tombstones in their place, by a put that
 * holds for the bytes that were read only (`If-Match`). A tombstone keeps its record's room, filled with zeros, so the
 * group's header stays as it is, byte for byte: offsets, counts, producers, and the attempt by which its writer knows
 * it. So whoever reads finds the old group or the new one, whole, and a stop anywhere leaves nothing to be mended.
 *
 * Last comes a group that says so in the chain: by it other processes drop the groups that they keep in memory.
 *
 * Surprising rule: an answer that does not come needs no settling. The put can only ever turn the bytes that were read
 * into tombstones, and arrives late at a group that has changed or was deleted since as a refusal. And a repeat that
 * finds tombstones only says in the chain again what an erasure that was cut off may not have said.
 */
import type { Clock, Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { LogRange, LogRecord } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { blankRecords, payloadOf } from "../../core/record.ts";
import { corrupt, encodeFrame } from "./frame.ts";
import { decodeGroup, type Group, groupPath, startsOf } from "./group.ts";
import { unpackRecords } from "./records.ts";
import { probeMatch } from "./settled-store.ts";
import type { StreamHandle } from "./stream-handle.ts";

/** Groups in memory at a time. */
const GROUPS_AT_ONCE = 4;
const PAUSE_MS = 25;
const PAUSE_MS_MAX = 2_000;

interface Services {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Time after which an outcome that is not known is reported, ms. */
  readonly settleMs: number;
}

export interface ErasureRequest {
  readonly ranges: readonly LogRange[];
  readonly isGone: (record: LogRecord) => boolean;
  readonly signal: AbortSignal;
}

/**
 * @returns records that became tombstones
 * @throws store.unavailable, store.not_atomic, log.corrupt, log.append_unknown
 */
export function eraseRecords(
  handle: StreamHandle,
  services: Services,
  request: ErasureRequest,
): Promise<number> {
  return new Erasure(handle, services, request).run();
}

/** What an erasure finds in a group. */
interface Found {
  /** [batch] which of its records go. */
  readonly gone: readonly (readonly number[])[];
  readonly count: number;
  readonly hasTombstones: boolean;
}

class Erasure {
  readonly #handle: StreamHandle;
  readonly #services: Services;
  readonly #request: ErasureRequest;
  #probe: Promise<void> | undefined;
  #isToldNeeded = false;

  constructor(handle: StreamHandle, services: Services, request: ErasureRequest) {
    this.#handle = handle;
    this.#services = services;
    this.#request = request;
  }

  async run(): Promise<number> {
    const { chain, appender } = this.#handle;
    const { header } = await chain.fresh(true);
    const end = Math.min(header.group + 1, await this.#lastGroup());
    let erased = 0;
    for (let group = await this.#firstGroup(); group < end; group += GROUPS_AT_ONCE) {
      this.#request.signal.throwIfAborted();
      const numbers = Array.from({ length: Math.min(GROUPS_AT_ONCE, end - group) }, (_, i) => group + i);
      const counts = await Promise.all(numbers.map((number) => this.#eraseFrom(number)));
      erased += counts.reduce((sum, count) => sum + count, 0);
    }
    if (this.#isToldNeeded)
      await appender.add({ kind: "change", decide: ({ erasures = 0 }) => ({ erasures: erasures + 1 }) });
    return erased;
  }

  /** Groups that expired and were not swept yet are among them: what is in them nobody reads, but it is there. */
  async #firstGroup(): Promise<number> {
    const groups = this.#request.ranges.map(({ partition, from }) =>
      this.#handle.reader.firstGroupOf(partition, from),
    );
    return Math.min(Infinity, ...(await Promise.all(groups)));
  }

  /** The number behind the last group that a range reaches into. */
  async #lastGroup(): Promise<number> {
    const groups = this.#request.ranges.map(({ partition, to }) =>
      this.#handle.reader.firstGroupOf(partition, to - 1),
    );
    return Math.max(0, ...(await Promise.all(groups))) + 1;
  }

  async #eraseFrom(number: number): Promise<number> {
    const path = groupPath(this.#handle.chain.info, number);
    const bytes = await this.#services.store.get(path);
    if (!bytes) return this.#checkSwept(number);
    const found = this.#find(await decodeGroup(bytes, path), path);
    if (found.count + Number(found.hasTombstones) > 0) this.#isToldNeeded = true;
    if (found.count === 0) return 0;
    await (this.#probe ??= probeMatch(this.#services));
    return this.#replace(path);
  }

  async #replace(path: string): Promise<number> {
    const { store, clock, settleMs } = this.#services;
    const deadlineMs = clock.monotonicMs() + settleMs;
    let doubtful = 0;
    for (let attempt = 1; ; attempt++) {
      this.#request.signal.throwIfAborted();
      // In this order: bytes that are newer than the etag are refused.
      const head = await store.head(path);
      const bytes = head && (await store.get(path));
      if (!bytes) return doubtful;
      const group = await decodeGroup(bytes, path);
      const { gone, count } = this.#find(group, path);
      if (count === 0) return doubtful;
      const answer = await store.putIfMatch(path, await encodeWithout(group, gone), head.etag);
      if (answer.outcome === "done") return count;
      const cause = answer.outcome === "unknown" ? answer.cause : undefined;
      if (cause !== undefined) doubtful = count;
      if (clock.monotonicMs() >= deadlineMs)
        throw new MuaraError("store.unavailable", `the store does not say whether it replaced ${path}`, {
          cause,
        });
      await this.#pause(attempt);
    }
  }

  /** @returns 0 for a group that retention removed. @throws log.corrupt where it did not */
  async #checkSwept(number: number): Promise<number> {
    const { chain, reader } = this.#handle;
    const { starts } = (await chain.fresh(true)).header;
    const needed = await Promise.all(starts.map((start, partition) => reader.firstGroupOf(partition, start)));
    if (number < Math.min(...needed)) return 0;
    throw corrupt(groupPath(chain.info, number), "is missing in the middle of the log");
  }

  #find({ header, body }: Group, path: string): Found {
    if (!body) throw corrupt(path, "is shorter than its header says");
    const offsets = startsOf(header);
    let [at, count, hasTombstones] = [0, 0, false];
    const gone = header.batches.map((batch) => {
      const { partition } = batch;
      const records = unpackRecords(body.subarray(at, (at += batch.bytes)), batch.count);
      const chosen: number[] = [];
      for (let i = 0; i < batch.count; i++) {
        const offset = offsets[partition]! + i;
        if (!this.#isAsked(partition, offset)) continue;
        const payload = payloadOf(records, i);
        if (!payload) hasTombstones = true;
        else if (this.#request.isGone({ partition, offset, payload })) chosen.push(i);
      }
      offsets[partition]! += batch.count;
      count += chosen.length;
      return chosen;
    });
    return { gone, count, hasTombstones };
  }

  #isAsked(partition: number, offset: number): boolean {
    return this.#request.ranges.some(
      (range) => range.partition === partition && offset >= range.from && offset < range.to,
    );
  }

  #pause(attempt: number): Promise<void> {
    const { clock, randomness } = this.#services;
    const ms = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (attempt - 1));
    return clock.sleep(ms * (0.5 + randomness.fraction()));
  }
}

function encodeWithout({ header, body }: Group, gone: Found["gone"]): Promise<Uint8Array> {
  const erased = body!.slice();
  let at = 0;
  header.batches.forEach(({ count, bytes }, i) => {
    if (gone[i]!.length > 0) blankRecords(erased.subarray(at, at + bytes), count, gone[i]!);
    at += bytes;
  });
  return encodeFrame(header, [erased]);
}
