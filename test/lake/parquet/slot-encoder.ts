/**
 * Events given to the encoder one by one, of which only those with a row take a slot: how tests of single values like
 * it. Slot i has the offset 2^31 - 2 + i, an id made of it, and a key where it is odd.
 */
import { readFileSync } from "node:fs";
import type { EventType } from "../../../core/event-type.ts";
import { createKernel } from "../../../core/kernel.ts";
import { packRecords } from "../../../core/record.ts";
import {
  createEventEncoder,
  type EncodedFile,
  type EventEncoder,
  type Rejection,
} from "../../../lake/parquet/event-encoder.ts";
import type { PageCodec } from "../../../lake/parquet/event-file.ts";
import { ZSTD } from "../../../lake/parquet/zstd.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../../../core-as/kernel.wasm", import.meta.url)));
const kernel = createKernel(module, new Uint8Array(16).fill(5));
const SECRET = new Uint8Array(16);
const LIMITS = { maxBytes: 10_000_000, maxDepth: 64 };
const FIRST_OFFSET = 2 ** 31 - 2;

export const offsetOf = (slot: number): number => FIRST_OFFSET + slot;
export const idOf = (slot: number): string => `id-${offsetOf(slot)}`;
export const timeUsOf = (slot: number): bigint => BigInt(slot) - 5n;
export const ingestMsOf = (slot: number): number => 1_700_000_000_000 + slot;
export const keyOf = (slot: number): string | null => (slot % 2 === 0 ? null : `key-${slot}`);

export class SlotEncoder {
  readonly #encoder: EventEncoder;
  readonly #slots: number[] = [];

  constructor(type: EventType, codec: PageCodec = ZSTD) {
    this.#encoder = createEventEncoder(kernel, type, LIMITS, codec);
  }

  get rows(): number {
    return this.#slots.length;
  }

  /** @param flowId of the header */
  add(bytes: Uint8Array, at: number, length: number, flowId?: string): Rejection | undefined {
    const slot = this.#slots.length;
    const payload = bytes.subarray(at, at + length);
    const header = flowId === undefined ? "{}" : JSON.stringify({ flow_id: flowId });
    const { scan, rejections } = this.#encoder.scan(
      {
        ...packRecords([{ payload, key: keyOf(slot), header }]),
        stream: "s",
        partition: 3,
        offsets: Float64Array.of(offsetOf(slot)),
        ingestMs: Float64Array.of(0),
        next: 0,
        endOffset: 0,
      },
      SECRET,
      "id-",
    );
    const [verdict] = scan.verdicts;
    if (verdict !== 0) throw new Error(`${kernel.verdictCode(verdict!)} at byte ${scan.errorAt[0]}`);
    const rejection = rejections.get(0);
    if (!rejection) this.#slots.push(this.#encoder.rows - 1);
    return rejection;
  }

  /** @param slots in the order of the file */
  write(slots: readonly number[], watermarkUs: bigint | null = null): Promise<EncodedFile> {
    const { rows } = this.#encoder;
    const eventTimesUs = new BigInt64Array(rows);
    const ingestMs = new Float64Array(rows);
    this.#slots.forEach((row, slot) => {
      eventTimesUs[row] = timeUsOf(slot);
      ingestMs[row] = ingestMsOf(slot);
    });
    const chosen = Uint32Array.from(slots, (slot) => this.#slots[slot] ?? rows);
    return this.#encoder.write(chosen, { eventTimesUs, ingestMs, watermarkUs }, async () => {});
  }

  reset(): void {
    this.#encoder.reset();
    this.#slots.length = 0;
  }

  destroy(): void {
    this.#encoder.destroy();
  }
}
