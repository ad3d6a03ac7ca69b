/**
 * A subscription: what a consumer group reads, as declared (Nakadi's object). Its identity is owning application, event
 * types and consumer group; its id is made of them, so that declaring it again, anywhere, finds the one that is there.
 *
 * Beyond Nakadi: the event types `["*"]` are all that there are, and all that will be.
 */
import { z } from "zod";
import { MuaraError } from "../../../core/errors.ts";

export const ALL_TYPES = "*";
/** After how many uncommitted sends an event is given up, and what becomes of it then. */
export const SEND_COUNT_ANNOTATION = "nakadi.zalando.org/subscription-max-event-send-count";
export const POLICY_ANNOTATION = "nakadi.zalando.org/subscription-unprocessable-event-policy";

const attribute = z.object({ data_type: z.string().min(1).max(255), value: z.string().min(1).max(255) });
const texts = z.record(z.string().max(317), z.string().max(1_000));
const cursor = z.object({
  event_type: z.string().min(1).max(255),
  partition: z.string().min(1).max(9),
  offset: z.string().min(1).max(64),
});

export const subscriptionSchema = z.object({
  owning_application: z.string().min(1).max(255),
  event_types: z.array(z.string().min(1).max(255)).min(1).max(1_000),
  consumer_group: z.string().min(1).max(255).default("default"),
  read_from: z.enum(["begin", "end", "cursors"]).default("end"),
  initial_cursors: z.array(cursor).max(10_000).default([]),
  authorization: z
    .object({ admins: z.array(attribute).min(1), readers: z.array(attribute).min(1) })
    .nullish(),
  annotations: texts.nullish(),
  labels: texts.nullish(),
});

export type SubscriptionInput = z.infer<typeof subscriptionSchema>;
export type InitialCursor = z.infer<typeof cursor>;

/** As stored. */
export interface Subscription {
  readonly id: string;
  readonly owning_application: string;
  /** Each once, sorted. */
  readonly event_types: readonly string[];
  readonly consumer_group: string;
  readonly read_from: "begin" | "end" | "cursors";
  readonly initial_cursors: readonly InitialCursor[];
  readonly authorization: SubscriptionInput["authorization"];
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly created_at: string;
  readonly updated_at: string;
  /** Not shown: who declared it, and which of several of one id it is. */
  readonly created_by: string;
  readonly incarnation: string;
}

/** What to do with an event that nobody commits. */
export interface PoisonPolicy {
  /** 2 to 10. */
  readonly sendsMax: number;
  readonly policy: "SKIP_EVENT" | "DEAD_LETTER_QUEUE";
}

/** @throws subscription.invalid naming the field */
export function parseSubscription(input: unknown): SubscriptionInput {
  const parsed = subscriptionSchema.safeParse(input);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw invalidSubscription(issue.path.map(String).join(".") || "(body)", issue.message);
  }
  const { data } = parsed;
  const types = [...new Set(data.event_types)].toSorted();
  if (types.length > 1 && types.includes(ALL_TYPES))
    throw invalidSubscription("event_types", `"${ALL_TYPES}" stands alone`);
  if (data.read_from === "cursors" && data.initial_cursors.length === 0)
    throw invalidSubscription("initial_cursors", "must be given for read_from cursors");
  if (data.read_from !== "cursors" && data.initial_cursors.length > 0)
    throw invalidSubscription("initial_cursors", "belong to read_from cursors");
  policyOf(data.annotations ?? {});
  return { ...data, event_types: types };
}

/** @returns undefined where events are sent again for ever @throws subscription.invalid */
export function policyOf(annotations: Readonly<Record<string, string>>): PoisonPolicy | undefined {
  const [count, policy] = [annotations[SEND_COUNT_ANNOTATION], annotations[POLICY_ANNOTATION]];
  if (count === undefined && policy === undefined) return undefined;
  if (count === undefined || !/^([2-9]|10)$/.test(count))
    throw invalidSubscription(`annotations.${SEND_COUNT_ANNOTATION}`, "must be a number from 2 to 10");
  if (policy !== "SKIP_EVENT" && policy !== "DEAD_LETTER_QUEUE")
    throw invalidSubscription(`annotations.${POLICY_ANNOTATION}`, "must be SKIP_EVENT or DEAD_LETTER_QUEUE");
  return { sendsMax: Number(count), policy };
}

/** The same for the same owner, event types and group on the same log, and for no others. */
export async function subscriptionId(
  logId: string,
  { owning_application, event_types, consumer_group }: SubscriptionInput,
): Promise<string> {
  const identity = JSON.stringify([logId, owning_application, consumer_group, ...event_types]);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(identity)));
  // Version 8 of RFC 9562: a UUID of one's own making.
  hash[6] = (hash[6]! & 0x0f) | 0x80;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = [...hash.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** As clients get it. */
export function shownSubscription(subscription: Subscription): Record<string, unknown> {
  const { created_by: _by, incarnation: _which, authorization, ...shown } = subscription;
  return { ...shown, ...(authorization ? { authorization } : {}) };
}

export function invalidSubscription(field: string, reason: string): MuaraError {
  return new MuaraError("subscription.invalid", `${field}: ${reason}.`, { details: { field } });
}
