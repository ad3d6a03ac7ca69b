/**
 * What the model of `bench:scale` is given, CPU µs on the machine of bench/README.md, and where each figure is from.
 */

export interface Costs {
  /** Of an event at the door, in requests of 100. */
  readonly doorUs: number;
  /** Of landing an event: read, scan, Parquet, zstd. */
  readonly landUs: number;
  /** Of a commit of a table, with its share of projections and of the log. */
  readonly commitUs: number;
  /** Of rewriting an event by compaction, as often as it is. */
  readonly compactUs: number;
  /** Of a broker for an event: taken, stored, given out once. Not measured: an assumption. */
  readonly brokerUs: number;
  /** From the end of a commit's CPU until it is there, ms. */
  readonly storeMs: number;
  readonly writesPerCommit: number;
  readonly readsPerCommit: number;
  /** Memory of a process. */
  readonly processGiB: number;
  /** The log can have one process only, which does everything. */
  readonly isAlone?: true;
}

/**
 * Own log and a directory: `bench:ingest` (496, 569, 588 µs a request of 100), `bench:land` (150,524 rows per CPU
 * second, open lines), docs/proofs/commit-budget.md (0.94 CPU s at 81 commits/s of little else). A disk's commit takes
 * about 20 ms. Compaction: 4.2 bytes rewritten per byte (decision 026) at 1 µs a row, which is not measured.
 */
export const ON_DISK: Costs = {
  doorUs: 5.5,
  landUs: 6.6,
  commitUs: 11_500,
  compactUs: 4.2,
  brokerUs: 0,
  isAlone: true,
  storeMs: 20,
  writesPerCommit: 0,
  readsPerCommit: 0,
  processGiB: 0.45,
};

/**
 * Kafka and S3: publishing without the append (299 to 330 µs) and producing (`bench:kafka`, 1,282 ns); landing 0.81 of
 * what it is from the own log (`bench:kafka-land`); requests as docs/COST.md counts them. Two conditional puts in a row
 * on S3 are taken for 120 ms: not measured here, it is the provider's. A process of a thousand types had 443 to 457 MiB
 * (`bench:many-types`, `bench:many-streams`).
 */
export const ON_KAFKA_AND_S3: Costs = {
  doorUs: 4.4,
  landUs: 8.1,
  commitUs: 11_500,
  compactUs: 4.2,
  brokerUs: 3,
  storeMs: 120,
  writesPerCommit: 3.06,
  readsPerCommit: 7.06,
  processGiB: 0.45,
};

/** Virtual time: nothing takes any. For the comparison with what landing does in it. */
export const NOTHING: Pick<Costs, "landUs" | "commitUs" | "storeMs"> = { landUs: 0, commitUs: 0, storeMs: 0 };
