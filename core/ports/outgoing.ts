/**
 * Requests to addresses that somebody else may choose: a webhook, another Nakadi, an issuer's keys.
 *
 * Contract: only http and https; a name is resolved once, every address that it has must be public, and the address
 * that was checked is the one that is dialled (against DNS rebinding). Exempt are hosts that the configuration lists
 * (`outgoing.allow`). Ports other than 80 and 443 need a listed host. Redirects are never followed: they come back as
 * a refusal. Nothing is repeated here, except dialling a name's next address while no connection was made. Every
 * answer is bounded in time and size. Bodies are not decompressed.
 */
export interface Outgoing {
  /**
   * Sends a request and reads the whole answer, whatever its status (but for redirects).
   * @throws outgoing.refused for an address that is not allowed, or a redirect; nothing was sent (but for a redirect)
   * @throws outgoing.unreachable where no connection was made, so nothing was sent
   * @throws outgoing.failed where it broke off or took too long: it may have been carried out
   * @throws outgoing.too_large where the answer is longer than `answerBytes`
   */
  send(request: OutgoingRequest): Promise<OutgoingAnswer>;
  /**
   * The same for an answer without an end. `timeoutMs` bounds the time until its head, `idleMs` the silence within.
   * The chunks' iterator throws outgoing.failed where the answer breaks off; returning from it, or aborting `signal`,
   * closes the connection.
   */
  open(request: OutgoingStreamRequest): Promise<OutgoingStream>;
  /** Closes idle connections. */
  close(): void;
}

export interface OutgoingRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Absolute; no user or password in it. */
  readonly url: string;
  /** Lower-case names. Host, content-length, connection and transfer-encoding are not the caller's. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** For everything, from resolving the name to the answer's last byte, ms; default 10 s. */
  readonly timeoutMs?: number;
  /** Length of the answer's body at most, bytes; default 64 KiB. */
  readonly answerBytes?: number;
  readonly signal?: AbortSignal;
}

export interface OutgoingStreamRequest extends Omit<OutgoingRequest, "answerBytes"> {
  /** Longest silence between two chunks, ms; default 60 s. */
  readonly idleMs?: number;
}

export interface OutgoingAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface OutgoingStream {
  readonly status: number;
  readonly headers: Headers;
  readonly chunks: AsyncIterable<Uint8Array>;
}
