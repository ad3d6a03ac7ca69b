/** Values as people read them, from the texts that two engines agree on (`core/row-text.ts`). */
import type { ValueForm } from "../../../core/ports/source.ts";

const LENGTH_MAX = 200;
const BITS = /^[0-9a-f]{16}$/;
const MICROSECONDS = /^-?\d+$/;

/** @returns the beginning of a text that is long */
export function shownText(form: ValueForm, text: string | null): string | null {
  if (text === null) return null;
  if (form === "float" && BITS.test(text)) return floatOf(text);
  if (form === "instant" && MICROSECONDS.test(text)) return instantOf(BigInt(text));
  return text.length <= LENGTH_MAX ? text : `${text.slice(0, LENGTH_MAX)}… (${text.length} characters)`;
}

function floatOf(bits: string): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(`0x${bits}`));
  const value = view.getFloat64(0);
  return Object.is(value, -0) ? "-0" : String(value);
}

/** @param us since 1970 UTC, years 1 to 9999 */
function instantOf(us: bigint): string {
  const micro = ((us % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = (us - micro) / 1_000_000n;
  const whole = new Date(Number(seconds) * 1_000).toISOString().slice(0, 19);
  return `${whole}.${micro.toString().padStart(6, "0")}Z`;
}
