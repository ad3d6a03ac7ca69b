/** What CloudEvents 1.0.2 says of extension attributes: §3.1 (names) and §2.2 of the JSON format (values). */
import { isAttributeName } from "../../../core/cloudevent.ts";
import { type KnownMembers, type MemberFault, otherMembers } from "../members.ts";

const OPEN_BRACE = 123;
const OPEN_BRACKET = 91;

/** @returns the first attribute that is none */
export function extensionFault(
  bytes: Uint8Array,
  start: number,
  end: number,
  known: KnownMembers,
): MemberFault | undefined {
  for (const { key, valueAt } of otherMembers(bytes, start, end, known)) {
    if (!isAttributeName(key))
      return { key, reason: "is no attribute's name: lower-case letters and digits" };
    const first = bytes[valueAt];
    if (first === OPEN_BRACE || first === OPEN_BRACKET)
      return { key, reason: "must be a string, a number or a boolean" };
  }
  return undefined;
}
