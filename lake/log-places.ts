/** Where the log's own records of a subject are, as rows, dead letters and duplicates name their places. */
import { MuaraError } from "../core/errors.ts";
import { landedPartitions } from "../core/landed.ts";
import type { Log } from "../core/ports/log.ts";
import type { TableSnapshot } from "../core/ports/table-log.ts";
import type { LogPlace } from "./rewrite-job.ts";

/** Beyond so many records an erasure is refused: in memory each takes some dozen bytes. */
const PLACES_MAX = 1_000_000;

export class LogPlaces {
  /** Of the stream that the table is landed from now; undefined where its log cannot erase. */
  readonly topicId: string | undefined;
  /** Whether all rows of the table come from it. */
  readonly isSole: boolean;
  readonly #max: number;
  readonly #offsets = new Map<number, Set<number>>();
  #count = 0;

  constructor(topicId: string | undefined, isSole: boolean, max = PLACES_MAX) {
    this.topicId = topicId;
    this.isSole = isSole;
    this.#max = max;
  }

  static async of(log: Log | undefined, table: string, { txns }: TableSnapshot): Promise<LogPlaces> {
    const stream = log?.erase && (await log.stream(table));
    if (!log || !stream || stream.cleanup === "compact") return new LogPlaces(undefined, false);
    const isOurs = ({ logId, topicId }: { logId: string; topicId: string }): boolean =>
      logId === log.id && topicId === stream.topicId;
    return new LogPlaces(stream.topicId, landedPartitions(txns).every(isOurs));
  }

  /** @throws erasure.too_large */
  add(places: readonly LogPlace[]): void {
    for (const [partition, offset] of places) {
      let offsets = this.#offsets.get(partition);
      if (!offsets) this.#offsets.set(partition, (offsets = new Set()));
      if (offsets.has(offset)) continue;
      if (this.#count >= this.#max)
        throw new MuaraError("erasure.too_large", `More than ${this.#max} events have the value.`, {
          details: { max: this.#max },
        });
      offsets.add(offset);
      this.#count++;
    }
  }

  has(partition: number, offset: number): boolean {
    return this.#offsets.get(partition)?.has(offset) === true;
  }
}
