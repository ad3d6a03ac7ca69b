/**
 * The header `traceparent` (W3C Trace Context, Recommendation of 2021, §3.2): which trace a request belongs to. Read
 * strictly, since it comes from anybody: what is malformed counts as absent, as the Recommendation asks.
 */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);
const LENGTH_MAX = 512;

export const TRACEPARENT_HEADER = "traceparent";
/** The same of one CloudEvent in binary mode: the extension Distributed Tracing. */
export const CE_TRACEPARENT_HEADER = "ce-traceparent";

export interface Traceparent {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Bit 0: sampled. */
  readonly flags: number;
}

/** @returns undefined for what is absent or malformed */
export function parseTraceparent(text: string | null | undefined): Traceparent | undefined {
  if (text === null || text === undefined || text.length > LENGTH_MAX) return undefined;
  const match = TRACEPARENT.exec(text);
  if (!match) return undefined;
  const [, version, traceId, spanId, flags, more] = match;
  // Later versions may add members; this one has none.
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (traceId === NO_TRACE || spanId === NO_SPAN) return undefined;
  return { traceId: traceId!, spanId: spanId!, flags: Number.parseInt(flags!, 16) };
}

export function formatTraceparent({ traceId, spanId, flags }: Traceparent): string {
  return `00-${traceId}-${spanId}-${(flags & 1).toString(16).padStart(2, "0")}`;
}
