/** The face of the prover, for the files that prove a piece each. */
import type { PatternCall } from "../relation/pattern-call.ts";
import type { TimeJoin } from "../relation/time-join.ts";
import type { Tree } from "../tree.ts";

/** What whoever proves a piece asks of whoever proves the whole. */
export interface Proving {
  /** The join by time that was met; null: none so far. */
  readonly join: TimeJoin | null;
  /** The call of ALL_OF or SEQUENCE that was met; null: none so far. */
  readonly pattern: PatternCall | null;
  /** @throws JobRefused always */
  refuse(reason: string, instead?: string | null, node?: Tree): never;
  /** Of a join without windows what is known of it. @throws JobRefused */
  timeJoin(node: Tree): TimeJoin;
}
