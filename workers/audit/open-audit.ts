/** The audit log of a process: its event type, the chain that this run writes, and the registry's changes in it. */
import { AUDIT_TYPE, auditEventType, auditText } from "../../core/audit.ts";
import { AuditTrail } from "../../core/audit-trail.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Audit } from "../../core/ports/audit.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Declaration, DeclarationKind, Registry } from "../../core/registry.ts";
import { ensureStream, KIND } from "../ingest/declaration.ts";

/** What people declare. The others are how processes keep what they do in common, or come with one of these. */
const IS_AUDITED: Readonly<Record<DeclarationKind, boolean>> = {
  capture: true,
  "capture-incarnation": false,
  "capture-state": false,
  "data-format": false,
  "delta-load-state": false,
  delivery: true,
  "delivery-erasure": false,
  "delivery-position": false,
  erasure: true,
  "event-schema": false,
  "event-type": true,
  "event-type-removal": false,
  job: true,
  key: false,
  process: true,
  reconciliation: false,
  role: true,
  rule: true,
  setting: true,
  share: true,
  silence: true,
  subscription: true,
  "subscription-cursors": false,
  "subscription-node": false,
  "subscription-topology": false,
  token: true,
};

export interface AuditPorts {
  readonly log: Log;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

/** From then on every change of a declaration by this process is recorded before whoever asked for it is told. */
export async function openAudit({ log, registry, clock, randomness, logger }: AuditPorts): Promise<Audit> {
  const type = auditEventType(new Date(clock.nowMs()).toISOString());
  try {
    if (!registry.get(KIND, AUDIT_TYPE)) await registry.put(KIND, AUDIT_TYPE, 0, type);
  } catch (error) {
    if (!hasCode(error, "declaration.conflict")) throw error;
  }
  await ensureStream(log, type);
  const trail = await AuditTrail.open({ log, clock, logger, writer: randomness.uuid() });
  registry.onChange = (before, after, by) => recordChange(trail, before, after, by);
  await trail.record({ action: "started", resource_type: "process", resource_id: log.id, user: "system" });
  return trail;
}

async function recordChange(
  audit: Audit,
  before: Declaration | undefined,
  after: Declaration,
  by: string,
): Promise<void> {
  if (!IS_AUDITED[after.kind]) return;
  const [previous, next] = await Promise.all([auditText(before?.value), auditText(after.value)]);
  await audit.record({
    action: next === undefined ? "removed" : previous === undefined ? "declared" : "changed",
    resource_type: after.kind,
    resource_id: after.name,
    user: by,
    ...(previous === undefined ? {} : { previous_object: previous }),
    ...(next === undefined ? {} : { new_object: next }),
  });
}
