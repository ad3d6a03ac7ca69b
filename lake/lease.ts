/**
 * A lease: who does a piece of work for a while, so that others need not do the same in vain. An object beside the
 * table's log, under a name that Delta readers pass by. It is a hint and no lock: clocks differ, a holder may be
 * slower than it thought, an answer may get lost. Whoever relies on it for more than speed is wrong.
 */
import type { Clock } from "../core/clock.ts";
import { isStoreTrouble } from "../core/errors.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";

/** Beside a table's log: its files are being written anew. */
export const REWRITE_LEASE = "_compact.lease";

export interface LeasePorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
}

export interface Lease {
  /** Lets others have it. Never throws: it ends by itself. */
  release(): Promise<void>;
}

/**
 * @param owner unique to the process
 * @param forMs longer than the work takes
 * @returns undefined where another has it, or nobody knows
 */
export async function takeLease(
  ports: LeasePorts,
  path: string,
  owner: string,
  forMs: number,
): Promise<Lease | undefined> {
  const { store, clock } = ports;
  const bytes = new TextEncoder().encode(JSON.stringify({ owner, until: clock.nowMs() + forMs }));
  try {
    const head = await store.head(path);
    if (head && (await isHeld(ports, path, owner))) return undefined;
    const put = head ? store.putIfMatch(path, bytes, head.etag) : store.putIfAbsent(path, bytes);
    const { outcome } = await put;
    return outcome === "done" ? { release: () => release(ports, path, owner) } : undefined;
  } catch (error) {
    if (isStoreTrouble(error)) return undefined;
    throw error;
  }
}

async function isHeld({ store, clock }: LeasePorts, path: string, owner: string): Promise<boolean> {
  const held = await read(store, path);
  return held !== undefined && held.owner !== owner && held.until > clock.nowMs();
}

async function release({ store }: LeasePorts, path: string, owner: string): Promise<void> {
  try {
    if ((await read(store, path))?.owner === owner) await store.delete(path);
  } catch (error) {
    if (!isStoreTrouble(error)) throw error;
  }
}

/** undefined for what is no lease: then nobody has it. */
async function read(
  store: ObjectStore,
  path: string,
): Promise<{ readonly owner: string; readonly until: number } | undefined> {
  const bytes = await store.get(path);
  if (!bytes) return undefined;
  try {
    const { owner, until } = JSON.parse(new TextDecoder().decode(bytes)) as Readonly<Record<string, unknown>>;
    return typeof owner === "string" && typeof until === "number" ? { owner, until } : undefined;
  } catch {
    return undefined;
  }
}
