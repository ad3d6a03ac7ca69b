/**
 * The secret that signs addresses of shared files. It lies in the registry, made when it is needed for the first time,
 * so that every process of this Muara takes what another has signed, also after a restart. Whoever can read the log
 * can sign with it; whoever can read the log has the events already.
 */
import { hasCode } from "../../core/errors.ts";
import type { Registry } from "../../core/registry.ts";

const NAME = "share-url";
const KEY_BYTES = 32;

interface StoredKey {
  /** 64 hex digits. */
  readonly secret: string;
}

/** @returns [32] */
export async function signingKey(registry: Registry): Promise<Uint8Array> {
  for (;;) {
    const stored = registry.get<StoredKey>("key", NAME)?.value;
    if (stored) return Buffer.from(stored.secret, "hex");
    const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(KEY_BYTES))).toString("hex");
    try {
      await registry.put<StoredKey>("key", NAME, 0, { secret });
    } catch (error) {
      if (!hasCode(error, "declaration.conflict")) throw error;
    }
  }
}
