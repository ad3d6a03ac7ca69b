/** What writes the tables of a job. */
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableLog } from "../../core/ports/table-log.ts";
import type { Lineage } from "../../core/ports/lineage.ts";

export interface OutputPorts {
  readonly store: ObjectStore;
  readonly openTable: (name: string) => TableLog;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Absent: nobody is told what was made of what. */
  readonly lineage?: Lineage | undefined;
}
