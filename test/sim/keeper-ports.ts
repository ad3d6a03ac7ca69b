/** What a keeper works with; a planted bug changes it. */
import type { CompactPorts } from "../../lake/compact.ts";
import type { RemovalsPorts } from "../../lake/removals.ts";

export interface KeeperPorts extends CompactPorts, RemovalsPorts {
  readonly sweepAfterMs: number;
  readonly leaseMs: number;
}
