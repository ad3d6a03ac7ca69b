/**
 * What went wrong between us and a broker, and what may be concluded from it. A broker answers with a code; a
 * connection that breaks answers nothing, and then a request may have been carried out.
 */
import { protocolErrors } from "@platformatic/kafka";
import { MuaraError } from "../../core/errors.ts";

interface ProtocolCode {
  readonly code: number;
  readonly id: string;
  readonly message: string;
}

const CODES = new Map(
  Object.values(protocolErrors as Record<string, ProtocolCode>).map((one) => [one.code, one]),
);

/** Codes of the protocol that the adapter tells apart. */
export const CODE = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  requestTimedOut: 7,
  messageTooLarge: 10,
  invalidTopic: 17,
  recordListTooLarge: 18,
  notEnoughReplicas: 19,
  notEnoughReplicasAfterAppend: 20,
  topicExists: 36,
  invalidPartitions: 37,
  outOfOrderSequence: 45,
  invalidProducerEpoch: 47,
  storageError: 56,
  unknownProducer: 59,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
  offsetNotAvailable: 78,
  throttlingQuotaExceeded: 89,
  producerFenced: 90,
  unknownTopicId: 100,
  inconsistentTopicId: 103,
} as const;

/** Passes by itself: a leader moves, a broker starts, a replica catches up. Nothing was carried out. */
const PASSING: ReadonlySet<number> = new Set([
  CODE.unknownTopicOrPartition, // a broker that starts; a topic that is gone is told by the cluster's own word
  CODE.leaderNotAvailable,
  CODE.notLeader,
  8, // broker not available
  9, // replica not available
  14, // coordinator loads
  15, // coordinator not available
  16, // not coordinator
  CODE.notEnoughReplicas,
  41, // not controller
  51, // concurrent transactions
  CODE.storageError,
  72, // listener not found
  CODE.fencedLeaderEpoch,
  CODE.unknownLeaderEpoch,
  CODE.offsetNotAvailable,
  CODE.throttlingQuotaExceeded,
  CODE.unknownTopicId,
  CODE.inconsistentTopicId,
]);
/** May pass as well, but what was asked may have been done. */
const DOUBTFUL: ReadonlySet<number> = new Set([CODE.requestTimedOut, CODE.notEnoughReplicasAfterAppend]);

/** A broker's refusal of one thing that was asked of it. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: number, what: string, words?: string | null) {
    super(`${what}: ${words ?? CODES.get(code)?.message ?? `code ${code}`} (${CODES.get(code)?.id ?? code})`);
    this.code = code;
  }
}

/** The request did not leave this process. */
export class NotSent extends Error {}

export function isPassing(code: number): boolean {
  return PASSING.has(code);
}

/** Codes that an error of the client names, those in its causes included. */
export function codesOf(error: unknown): readonly number[] {
  if (error instanceof Refusal) return [error.code];
  if (!(error instanceof Error)) return [];
  const own = (error as { apiCode?: unknown }).apiCode;
  const inner = [...((error as { errors?: unknown[] }).errors ?? []), error.cause];
  return [...(typeof own === "number" ? [own] : []), ...inner.flatMap(codesOf)];
}

/** Whether asking again may help. Broken connections and silence do pass; refused credentials do not. */
export function mayPass(error: unknown): boolean {
  if (error instanceof MuaraError) return error.retryable;
  const codes = codesOf(error);
  if (codes.length > 0) return codes.every((code) => isPassing(code) || DOUBTFUL.has(code));
  return !isDenied(error) && isOfClient(error);
}

/** Credentials, or the way they are given, were refused. */
function isDenied(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (code === "PLT_KFK_AUTHENTICATION" || code === "PLT_KFK_USER") return true;
  if (typeof code === "string" && /CERT|SELF_SIGNED|ERR_TLS|ERR_SSL/.test(code)) return true;
  const inner = [...((error as { errors?: unknown[] }).errors ?? []), error.cause];
  return inner.some(isDenied);
}

/** The other side ended TLS with a reason: mostly it wants a certificate, or another one. */
export function isTlsAlert(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return /^ERR_SSL_.*ALERT/.test(String((error as { code?: unknown }).code)) || isTlsAlert(error.cause);
}

/** The client's own errors and those of sockets: anything else is a mistake of ours. */
function isOfClient(error: unknown): boolean {
  if (error instanceof NotSent) return true;
  const code = String((error as { code?: unknown } | undefined)?.code);
  return /^PLT_KFK_|^E[A-Z0-9]+$/.test(code);
}

/** As the log says it. Errors of ours stay as they are. */
export function logError(error: unknown, what: string): unknown {
  if (error instanceof MuaraError) return error;
  const words = wordsOf(error);
  if (mayPass(error)) return new MuaraError("log.unavailable", `${what}: ${words}`, { cause: error });
  if (isDenied(error) || codesOf(error).length > 0)
    return new MuaraError("log.refused", `${what}: ${words}`, { cause: error });
  return error;
}

/** The innermost words, which say most: "connect ECONNREFUSED …", "SASL authentication failed". */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = (error as { errors?: unknown[] }).errors?.[0] ?? error.cause;
  const server = (error as { serverErrorMessage?: unknown }).serverErrorMessage;
  const own = typeof server === "string" && server !== "" ? server : error.message;
  return inner instanceof Error && !(error instanceof Refusal) ? `${own} ${wordsOf(inner)}` : own;
}
