/**
 * The connection of a replication stream, taken over from `pg` once it has let us in: what comes is framed and read
 * here, and what goes is written here. The only place that reaches into `pg`.
 *
 * Surprising rule: what comes is not read at once. The server sends every change by itself, and to be woken for each
 * costs both sides more than the change; so after a small piece the socket rests for some milliseconds, while what
 * comes gathers in the system's buffers. A large piece says that there is more, and the next one is read right away.
 */
import { Socket } from "node:net";
import type { Client } from "pg";
import { MuaraError } from "../../core/errors.ts";
import { databaseError } from "./failure.ts";
import { lsnText } from "./lsn.ts";
import { EPOCH_US } from "./transaction.ts";

const QUERY = 0x51;
const COPY_DATA = 0x64;
const TERMINATE = 0x58;
const STATUS_BYTES = 34;
/** After a smaller piece the socket rests; after fewer bytes since the last rest, longer. */
const SMALL_BYTES = 16_384;
/** After more of them it rests less. */
const LARGE_BYTES = 65_536;
const REST_MS_LEAST = 1;
/** How long the other side may take to see our end. */
const CLOSE_MS = 2_000;
/** SQLSTATE of what is not there (any more), and of a slot that the server has given up. */
const LOST: ReadonlySet<string> = new Set(["42704", "55000"]);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface ReplicationEvents {
  data(chunk: Uint8Array): void;
  /** Nothing comes any more. */
  ended(error: MuaraError): void;
}

/**
 * Of a connection that is going to be read here: as soon as it does not flow, it stops reading, where others would go
 * on until they have read 64 KiB.
 */
export function restingSocket(): Socket {
  const options: object = { readableHighWaterMark: 1 };
  return new Socket(options);
}

export class ReplicationSocket {
  readonly #socket: Socket;
  readonly #place: string;
  readonly #events: ReplicationEvents;
  readonly #restMsMax: number;
  #isClosed = false;
  /** Whoever reads has enough for now. */
  #isHeld = false;
  #restMs = REST_MS_LEAST;
  #resting: ReturnType<typeof setTimeout> | undefined;
  /** Came while the socket rested, and is given first, bytes. */
  #gathered = 0;
  /** Since it rested, bytes. */
  #taken = 0;

  /** @param restMsMax how much later than it comes something may be read, ms */
  constructor(client: Client, place: string, restMsMax: number, events: ReplicationEvents) {
    this.#socket = (client as unknown as { connection: { stream: Socket } }).connection.stream;
    this.#place = place;
    this.#events = events;
    this.#restMsMax = restMsMax;
    this.#socket.removeAllListeners("data");
    this.#socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    this.#socket.on("error", (error: Error) => events.ended(databaseError(error, place)));
    this.#socket.on("close", () =>
      events.ended(new MuaraError("source.unavailable", `${place}: the connection has ended`)),
    );
  }

  /** @param options as text, each already a literal */
  start(slot: string, from: bigint, options: Readonly<Record<string, string>>): void {
    const list = Object.entries(options).map(([key, value]) => `${key} '${value.replaceAll("'", "''")}'`);
    const text = `START_REPLICATION SLOT ${quoteName(slot)} LOGICAL ${lsnText(from)} (${list.join(", ")})`;
    this.#write(QUERY, encoder.encode(`${text}\0`));
  }

  /**
   * A standby status update: `received` is what was read, `durable` what may be forgotten by the source.
   * @param nowMs since 1970 UTC
   * @param asks for an answer
   */
  tell(received: bigint, durable: bigint, nowMs: number, asks: boolean): void {
    const body = new Uint8Array(STATUS_BYTES);
    const view = new DataView(body.buffer);
    body[0] = 0x72;
    view.setBigUint64(1, received > durable ? received : durable);
    view.setBigUint64(9, durable);
    view.setBigUint64(17, durable);
    view.setBigInt64(25, BigInt(Math.trunc(nowMs * 1_000)) - BigInt(EPOCH_US));
    body[33] = asks ? 1 : 0;
    this.#write(COPY_DATA, body);
  }

  pause(): void {
    this.#isHeld = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isHeld = false;
    if (!this.#resting) this.#flow();
  }

  /** Sends what was written, and ends; what still comes is dropped. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#resting);
    if (this.#socket.destroyed) return;
    this.#write(TERMINATE, new Uint8Array(0));
    // Without reading to the end the server would be told of a reset, and might never see the last status.
    this.#socket.resume();
    this.#socket.end();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.destroy(), CLOSE_MS);
      this.#socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  destroy(): void {
    this.#isClosed = true;
    clearTimeout(this.#resting);
    this.#socket.destroy();
  }

  /** @param body of an ErrorResponse */
  errorOf(body: Uint8Array): MuaraError {
    const fields = new Map<string, string>();
    for (const field of decoder.decode(body).split("\0"))
      if (field !== "") fields.set(field[0]!, field.slice(1));
    const [code, message] = [fields.get("C") ?? "", fields.get("M") ?? ""];
    if (LOST.has(code))
      return new MuaraError("source.lost", `${this.#place}: ${message}`, { details: { sqlstate: code } });
    return databaseError({ code, message, severity: fields.get("S") ?? "ERROR" }, this.#place);
  }

  #take(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    this.#events.data(chunk);
    this.#taken += chunk.length;
    if (this.#gathered > 0) this.#gathered -= chunk.length;
    else if (chunk.length < SMALL_BYTES && this.#restMsMax > 0 && !this.#isHeld && !this.#resting)
      this.#rest();
  }

  #rest(): void {
    if (this.#taken < SMALL_BYTES) this.#restMs = Math.min(this.#restMsMax, this.#restMs * 2);
    else if (this.#taken > LARGE_BYTES) this.#restMs = Math.max(REST_MS_LEAST, this.#restMs / 2);
    this.#taken = 0;
    this.#socket.pause();
    this.#resting = setTimeout(() => {
      this.#resting = undefined;
      if (!this.#isHeld) this.#flow();
    }, this.#restMs);
  }

  #flow(): void {
    this.#gathered = this.#socket.readableLength;
    this.#socket.resume();
  }

  #write(kind: number, body: Uint8Array): void {
    if (!this.#socket.writable) return;
    const message = new Uint8Array(body.length + 5);
    message[0] = kind;
    new DataView(message.buffer).setUint32(1, body.length + 4);
    message.set(body, 5);
    this.#socket.write(message);
  }
}

/** As SQL and the commands of replication spell a name. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
