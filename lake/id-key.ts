/**
 * The secret of an event table that keys the identities of its ids, so that nobody outside can aim for collisions.
 * Whatever stores identities stores the secret's fingerprint with them: under another secret they mean nothing.
 */
import type { Randomness } from "../core/clock.ts";
import { MuaraError } from "../core/errors.ts";
import type { Kernel } from "../core/kernel.ts";
import type { TableSnapshot } from "../core/ports/table-log.ts";

/** Table property that holds the secret: 32 hex digits. */
const ID_KEY = "muara.idKey";
/** No id that an event can have in its place: ids hold no NUL. */
const FINGERPRINT_OF = "\0muara id key";

/** Table properties of a new event table. */
export function newSecret(randomness: Randomness): Readonly<Record<string, string>> {
  return { [ID_KEY]: randomness.uuid().replaceAll("-", "") };
}

/** Whether ids of the table are known at all: whether events land in it. */
export function hasSecret({ metadata }: TableSnapshot): boolean {
  return metadata?.configuration[ID_KEY] !== undefined;
}

/** @returns [16] @throws table.corrupt where the table has no usable secret */
export function secretOf(snapshot: TableSnapshot): Uint8Array {
  const hex = snapshot.metadata?.configuration[ID_KEY] ?? "";
  if (!/^[0-9a-f]{32}$/.test(hex)) {
    const name = snapshot.metadata?.name;
    throw new MuaraError("table.corrupt", `${name}: table property ${ID_KEY} is missing or malformed.`, {
      details: { property: ID_KEY },
    });
  }
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16));
}

/** 32 hex digits that say which secret it was, and nothing more. */
export function fingerprintOf(kernel: Kernel, secret: Uint8Array): string {
  const words = kernel.identities([FINGERPRINT_OF], secret);
  return [...words].map((word) => word.toString(16).padStart(16, "0")).join("");
}
