/**
 * Writes the audit log. Facts get their places in the order in which they come, and are appended in this order, several
 * at a time, one append after the other: a chain has no room for two. What cannot be appended is tried again, the same
 * bytes under the same ids, so that what was stored after all is a duplicate and not a second record.
 */
import { AUDIT_TYPE, type AuditFact, type AuditRecord, eidOf, NO_HASH, sealed, sha256Hex } from "./audit.ts";
import type { Clock } from "./clock.ts";
import { hasCode, MuaraError } from "./errors.ts";
import type { Logger } from "./logger.ts";
import type { Audit } from "./ports/audit.ts";
import type { Log } from "./ports/log.ts";
import { packRecords, payloadOf } from "./record.ts";
import { FIRST_SCHEMA_VERSION } from "./schema-version.ts";

const BATCH_MAX = 200;
const REFUSALS_PER_SECOND = 50;
/** How long a change waits for its record, ms. */
const WAIT_MS = 5_000;
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 5_000;
const TAIL_BYTES = 4_194_304;

export interface AuditTrailPorts {
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Unique for this run of this process. */
  readonly writer: string;
}

interface Waiting {
  readonly fact: AuditFact;
  readonly occurredAt: string;
  readonly done: () => void;
}

export class AuditTrail implements Audit {
  readonly #ports: AuditTrailPorts;
  readonly #header: string;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  readonly #closed = new AbortController();
  #sequence = 0;
  #previousHash: string;
  #follows: string | undefined;
  #second = -1;
  #refusals = 0;
  #suppressed = 0;

  private constructor(ports: AuditTrailPorts, last: AuditRecord | undefined) {
    this.#ports = ports;
    this.#header = JSON.stringify({ schema_version: FIRST_SCHEMA_VERSION, published_by: ports.writer });
    this.#previousHash = last?.hash ?? NO_HASH;
    this.#follows = last && eidOf(last);
  }

  /** The stream must exist. */
  static async open(ports: AuditTrailPorts): Promise<AuditTrail> {
    return new AuditTrail(ports, await lastRecord(ports.log));
  }

  async record(fact: AuditFact): Promise<void> {
    const written = new Promise<true>((done) => this.#add(fact, () => done(true)));
    const late = new AbortController();
    const isDurable = await Promise.race([written, this.#ports.clock.sleep(WAIT_MS, late.signal)]);
    late.abort();
    if (isDurable) return;
    throw new MuaraError(
      "audit.unavailable",
      "It was done, but its record in the audit log is not durable yet.",
    );
  }

  refused(fact: Omit<AuditFact, "action">): void {
    const second = Math.floor(this.#ports.clock.monotonicMs() / 1_000);
    if (second !== this.#second) [this.#second, this.#refusals] = [second, 0];
    if (++this.#refusals > REFUSALS_PER_SECOND) this.#suppressed++;
    else this.#add({ ...fact, action: "refused" }, () => undefined);
  }

  async close(): Promise<void> {
    if (this.#suppressed > 0)
      this.#add({ action: "refused", resource_type: "request", resource_id: "", user: "" }, () => undefined);
    // What cannot be written within this time is lost with the process; nobody was told that it is there.
    const giveUp = this.#ports.clock.sleep(WAIT_MS, this.#closed.signal);
    await Promise.race([this.#writing, giveUp]);
    this.#closed.abort();
  }

  #add(fact: AuditFact, done: () => void): void {
    const suppressed = this.#suppressed > 0 ? { suppressed: this.#suppressed } : {};
    this.#suppressed = 0;
    const occurredAt = new Date(this.#ports.clock.nowMs()).toISOString();
    this.#waiting.push({ fact: { ...fact, ...suppressed }, occurredAt, done });
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const taken = this.#waiting.splice(0, BATCH_MAX);
      const records: AuditRecord[] = [];
      for (const { fact, occurredAt } of taken) records.push(await this.#next(fact, occurredAt));
      if (!(await this.#append(records))) return;
      for (const { done } of taken) done();
    }
  }

  async #next(fact: AuditFact, occurredAt: string): Promise<AuditRecord> {
    const record = await sealed({
      ...fact,
      occurred_at: occurredAt,
      user_hash: await sha256Hex(fact.user),
      writer: this.#ports.writer,
      sequence: ++this.#sequence,
      previous_hash: this.#previousHash,
      ...(this.#follows === undefined ? {} : { follows: this.#follows }),
    });
    this.#previousHash = record.hash;
    this.#follows = undefined;
    return record;
  }

  /** @returns whether it is durable; not where the log, or this, was closed */
  async #append(records: readonly AuditRecord[]): Promise<boolean> {
    const { log, clock, logger } = this.#ports;
    const batch = packRecords(
      records.map((record) => ({
        payload: new TextEncoder().encode(JSON.stringify({ eid: eidOf(record), ...record })),
        header: this.#header,
      })),
    );
    for (let pauseMs = PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX))
      try {
        await log.append(AUDIT_TYPE, 0, batch);
        return true;
      } catch (error) {
        if (this.#closed.signal.aborted || hasCode(error, "log.closed")) return false;
        logger.warn("the audit log cannot be written; it is tried again", { problem: String(error) });
        await clock.sleep(pauseMs, this.#closed.signal);
      }
  }
}

/** What lies last in the log, whoever wrote it: offsets may hold no record, so further and further back. */
async function lastRecord(log: Log): Promise<AuditRecord | undefined> {
  const { startOffset, endOffset } = await log.bounds(AUDIT_TYPE, 0);
  for (let back = 1; ; back *= 16) {
    const from = Math.max(startOffset, endOffset - back);
    const last = await lastFrom(log, from, endOffset);
    if (last || from === startOffset) return last;
  }
}

async function lastFrom(log: Log, from: number, endOffset: number): Promise<AuditRecord | undefined> {
  let last: AuditRecord | undefined;
  for (let next = from; next < endOffset;) {
    const batch = await log.read(AUDIT_TYPE, 0, next, TAIL_BYTES);
    for (let i = 0; i < batch.count; i++) {
      const payload = payloadOf(batch, i);
      if (payload) last = JSON.parse(new TextDecoder().decode(payload)) as AuditRecord;
    }
    next = batch.next;
  }
  return last;
}
