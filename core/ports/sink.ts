/**
 * A consumer of rows outside of Muara. It keeps (job, step) in the same transaction as the rows, or is idempotent by
 * id.
 */
export interface SinkStep {
  /** Moves exactly from → to; anything else is refused by the sink. */
  readonly from: bigint;
  readonly to: bigint;
}

export interface Sink<Row> {
  /** `transactional`: rows and step together. `idempotent`: rows carry deterministic ids, a repeat changes nothing. */
  readonly guarantee: "transactional" | "idempotent";
  /** The step last taken; 0n before the first. */
  step(): Promise<bigint>;
  write(rows: readonly Row[], step: SinkStep): Promise<"written" | "refused">;
}
