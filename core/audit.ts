/**
 * The audit log: who changed what is declared, and who was refused. Each record is an event of `muara.audit` and bears
 * the hash of the one before by the same writer (a run of a process), so that none can be changed, taken out or put in
 * between without a break that everybody can find. The first record of a writer bears the hash of the record that was
 * last in the log when it began, whoever's it was, so that what was there then cannot be cut off either.
 *
 * A hash is over the record's canonical JSON (RFC 8785). What is nested is text, so that the lake gives it back as it
 * was.
 */
import { canonicalJson } from "./canonical-json.ts";
import type { EventType } from "./event-type.ts";
import { ownEventType } from "./own-event-type.ts";

export const AUDIT_TYPE = "muara.audit";
export const NO_HASH: string = "0".repeat(64);
/** Of one text in a record; longer ones are there by their hash. */
const TEXT_LENGTH_MAX = 200_000;

export type AuditAction = "started" | "declared" | "changed" | "removed" | "reset" | "refused";

/** What happened. Names as in Nakadi's `nakadi.audit.log`. */
export interface AuditFact {
  readonly action: AuditAction;
  readonly resource_type: string;
  readonly resource_id: string;
  /** The principal. */
  readonly user: string;
  /** JSON texts; absent where there was, or is, nothing. */
  readonly previous_object?: string | undefined;
  readonly new_object?: string | undefined;
  /** Of a refusal. */
  readonly code?: string | undefined;
  /** The flow id; the lake's column of that name is of its own making. */
  readonly request_id?: string | undefined;
  /** Refusals before this record that were too many to be written one by one. */
  readonly suppressed?: number | undefined;
}

/** A fact in its place. */
export interface AuditRecord extends AuditFact {
  /** ISO 8601, UTC, ms. */
  readonly occurred_at: string;
  /** SHA-256 of `user`, hex. */
  readonly user_hash: string;
  readonly writer: string;
  /** 1, 2, 3 … for each writer. */
  readonly sequence: number;
  /** `hash` of the record before, or of the one that `follows` names; zeros for the first of all. */
  readonly previous_hash: string;
  /** `writer:sequence`; only where `sequence` is 1. */
  readonly follows?: string | undefined;
  readonly hash: string;
}

const TEXTS = [
  "action",
  "resource_type",
  "resource_id",
  "user",
  "previous_object",
  "new_object",
  "code",
  "request_id",
  "occurred_at",
  "user_hash",
  "writer",
  "previous_hash",
  "follows",
  "hash",
] as const;
const NUMBERS = ["suppressed", "sequence"] as const;
export const AUDIT_FIELDS: readonly string[] = [...TEXTS, ...NUMBERS];

/** From values as the lake has them, in the order of `AUDIT_FIELDS`: what is null was not there. */
export function recordOf(values: readonly unknown[]): AuditRecord {
  const members = AUDIT_FIELDS.map((name, i) => [name, values[i]] as const)
    .filter(([, value]) => value !== null)
    // Integers of 64 bits come as text.
    .map(([name, value]) => [name, (NUMBERS as readonly string[]).includes(name) ? Number(value) : value]);
  return Object.fromEntries(members) as AuditRecord;
}

const schema = {
  type: "object",
  properties: {
    eid: { type: "string" },
    ...Object.fromEntries(TEXTS.map((name) => [name, { type: "string" }])),
    ...Object.fromEntries(NUMBERS.map((name) => [name, { type: "integer" }])),
  },
  required: ["eid", "action", "occurred_at", "writer", "sequence", "previous_hash", "hash"],
};

export function auditEventType(nowIso: string): EventType {
  // A process that starts after a year still finds what it follows.
  return ownEventType(AUDIT_TYPE, schema, 400, nowIso);
}

export function eidOf({ writer, sequence }: Pick<AuditRecord, "writer" | "sequence">): string {
  return `${writer}:${sequence}`;
}

/** Puts the hash under a record. */
export async function sealed(open: Omit<AuditRecord, "hash">): Promise<AuditRecord> {
  return { ...open, hash: await sha256Hex(canonicalJson({ ...open })) };
}

/** A declared value as text, without what nobody may see; undefined for none. */
export async function auditText(value: unknown): Promise<string | undefined> {
  if (value === null || value === undefined) return undefined;
  const text = JSON.stringify(value, shown);
  if (text.length <= TEXT_LENGTH_MAX) return text.toWellFormed();
  return JSON.stringify({ sha256: await sha256Hex(text), characters: text.length });
}

/** The hash of a token's secret helps nobody but who wants to guess it; paths of webhooks are secrets often enough. */
function shown(member: string, value: unknown): unknown {
  if (member === "hash" || member === "secret") return undefined;
  if (member !== "url" || typeof value !== "string") return value;
  return URL.canParse(value) ? new URL(value).origin : undefined;
}

export async function sha256Hex(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Where a chain does not hold. */
export interface AuditBreak {
  /** `writer:sequence` of the first record that is wrong, as it says of itself. */
  readonly at: string;
  readonly reason: string;
}

/** Looks at records in the order of the log. */
export class AuditChains {
  readonly #heads = new Map<string, AuditRecord>();
  readonly #hashes = new Map<string, string>();

  get count(): number {
    return this.#hashes.size;
  }

  /** The last record of each writer. */
  get heads(): readonly AuditRecord[] {
    return [...this.#heads.values()];
  }

  has(hash: string): boolean {
    return [...this.#hashes.values()].includes(hash);
  }

  /** @param eid as the lake has it @returns what is wrong; then nothing after it counts */
  async take(record: AuditRecord, eid: string): Promise<AuditBreak | undefined> {
    const reason = await this.#wrong(record, eid);
    if (reason !== undefined) return { at: eidOf(record), reason };
    this.#heads.set(record.writer, record);
    this.#hashes.set(eid, record.hash);
    return undefined;
  }

  async #wrong(record: AuditRecord, eid: string): Promise<string | undefined> {
    const { hash, ...open } = record;
    if ((await sealed(open)).hash !== hash) return "what it says is not what was hashed";
    if (eid !== eidOf(record)) return `it is stored as ${eid}`;
    if (record.user_hash !== (await sha256Hex(record.user))) return "user_hash is not of its user";
    const before = this.#heads.get(record.writer);
    if (record.sequence !== (before?.sequence ?? 0) + 1)
      return `after ${before?.sequence ?? "nothing"} of its writer: records between are missing, or out of order`;
    if (before)
      return record.previous_hash === before.hash ? undefined : "it follows another record than is there";
    if (record.follows === undefined)
      return this.count === 0 && record.previous_hash === NO_HASH ? undefined : "the chain begins anew";
    const followed = this.#hashes.get(record.follows);
    if (followed === undefined) return `${record.follows}, which was there when it began, is missing`;
    return followed === record.previous_hash ? undefined : `${record.follows} was another when it began`;
  }
}
