/** What all changes of one transaction say of it, as bytes. One object is used for one transaction after another. */
import { MuaraError } from "../../core/errors.ts";

/** µs from 1970 to 2000, where PostgreSQL's clock begins. */
export const EPOCH_US = 946_684_800_000_000;
const WORD = 4_294_967_296;
const SECOND_US = 1_000_000;
/** Of years with four digits. */
const SECONDS_MIN = -62_135_596_800;
const SECONDS_MAX = 253_402_300_799;
/** `2026-11-22T13:45:00.123456Z` */
export const TIME_LENGTH = 27;
const FRACTION_AT = 20;

export class Transaction {
  /** Another one for each transaction. */
  serial = 0;
  lsnHigh = 0;
  lsnLow = 0;
  xid = 0;
  /** Of the commit, µs since 1970 UTC. */
  commitUs = 0;
  lsnText: Uint8Array = new Uint8Array(0);
  xidText: Uint8Array = new Uint8Array(0);
  readonly timeText: Uint8Array = new Uint8Array(TIME_LENGTH);
  #second = Number.NaN;

  /** @param commitUs µs since 1970 UTC @throws source.protocol for a time that nobody can have */
  begin(lsnHigh: number, lsnLow: number, xid: number, commitUs: number): void {
    this.serial++;
    this.lsnHigh = lsnHigh;
    this.lsnLow = lsnLow;
    this.xid = xid;
    this.commitUs = commitUs;
    this.lsnText = digitsOf(lsnDigits(lsnHigh, lsnLow));
    this.xidText = digitsOf(String(xid));
    this.#tellTime();
  }

  get lsn(): bigint {
    return lsnFrom(this.lsnHigh, this.lsnLow);
  }

  #tellTime(): void {
    const second = Math.floor(this.commitUs / SECOND_US);
    if (second !== this.#second) {
      if (second < SECONDS_MIN || second > SECONDS_MAX)
        throw new MuaraError("source.protocol", "the source tells a time that no commit can have");
      const text = new Date(second * 1_000).toISOString();
      for (let i = 0; i < FRACTION_AT; i++) this.timeText[i] = text.charCodeAt(i);
      this.timeText[TIME_LENGTH - 1] = 0x5a;
      this.#second = second;
    }
    let left = this.commitUs - second * SECOND_US;
    for (let i = TIME_LENGTH - 2; i >= FRACTION_AT; i--) {
      this.timeText[i] = 0x30 + (left % 10);
      left = Math.floor(left / 10);
    }
  }
}

export function lsnFrom(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

/** As text of an integer. */
export function lsnDigits(high: number, low: number): string {
  const lsn = high * WORD + low;
  return lsn <= Number.MAX_SAFE_INTEGER ? String(lsn) : String(lsnFrom(high, low));
}

function digitsOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
