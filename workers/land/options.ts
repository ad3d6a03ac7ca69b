/** What landing needs from outside, and how it is set up. The values come from the configuration's section `land`. */
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Logger } from "../../core/logger.ts";
import type { Lineage } from "../../core/ports/lineage.ts";
import type { Measures } from "../../core/measures.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableLog } from "../../core/ports/table-log.ts";

export interface LandPorts {
  readonly log: Log;
  readonly store: ObjectStore;
  /** Where state images lie, on this machine; without it every start reads the ids from the lake. */
  readonly state?: ObjectStore;
  readonly openTable: (name: string) => TableLog;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Absent: nobody is told what was made of what. */
  readonly lineage?: Lineage | undefined;
  /** Absent: nothing is counted. */
  readonly measures?: Measures | undefined;
}

export interface LandOptions {
  /** A table commits at least this often while events arrive, ms. */
  readonly commitMs: number;
  /** Beyond the commit budget it commits at least this often, ms. */
  readonly commitMsMax?: number;
  /** The commit budget of the process. */
  readonly commitsPerSecond?: number;
  /** Tables that land at once, ≥ 1; bounds memory, not correctness. */
  readonly parallelCommits?: number;
  /** Payload bytes in one commit, about. */
  readonly commitBytes: number;
  /** Records in one commit, at most; bounds memory. */
  readonly commitRows: number;
  /** Ingest times at most this far apart are compared for duplicates, ms. */
  readonly horizonMs: number;
  readonly generationMs: number;
  /** New ids after which a state image is written. */
  readonly imageIds?: number;
  /** Commits after which a state image is written. */
  readonly imageCommits?: number;
  readonly disorderMs: number;
  readonly idleAfterMs: number;
  readonly skewMs: number;
  readonly eventBytes: number;
  readonly depth: number;
}
