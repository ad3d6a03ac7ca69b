/** Where it is written down who did what, and who was refused. */
import type { AuditFact } from "../audit.ts";

export interface Audit {
  /**
   * Durable when it resolves: who is told of a success can count on its record.
   * @throws audit.unavailable where it is not durable in time; it is still written as soon as it can be
   */
  record(fact: AuditFact): Promise<void>;
  /** Written soon; of very many in one second only how many there were. */
  refused(fact: Omit<AuditFact, "action">): void;
  /** Writes what waits. */
  close(): Promise<void>;
}
