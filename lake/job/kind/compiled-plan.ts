/** What the compiler of each kind makes, before the planner completes it. */
import type { JobKind, JobPlan, JobState } from "../plan.ts";

/** What a kind's compiler makes. `release` and `preview` have the columns of the SELECT, as the engine types them. */
export interface CompiledPlan extends Pick<
  JobPlan,
  "prepare" | "absorb" | "release" | "corrections" | "forget" | "preview"
> {
  readonly kind: JobKind;
  /** By input. */
  readonly pending: readonly (string | null)[];
  readonly state: readonly JobState[];
  /** Of kinds that have them. */
  readonly compact?: JobPlan["compact"];
  readonly content?: JobPlan["content"];
  readonly keeps?: JobPlan["keeps"];
  readonly ticks?: JobPlan["ticks"];
  /** Statements before the batch. */
  readonly batch: readonly string[];
  /** The batch where it is more than the SELECT as it stands. */
  readonly batchSelect?: string;
}
