/**
 * Mutual exclusion between processes of one machine by a file: `link(2)` takes it, `unlink` frees it. It needs no
 * native code and survives `kill -9`: a lock whose owner is dead is broken, never one that is merely old.
 *
 * The surprising part is breaking. "Read the dead owner, unlink" would also unlink the lock of somebody who broke it
 * meanwhile. So the right to break one acquisition (its random id) is itself taken by `link`, once: breaker k may
 * exist only when breaker k-1 is dead, and whoever holds the right reads the lock again before it unlinks.
 * An owner on another host or in another PID namespace cannot be judged and counts as alive.
 */
import { randomUUID } from "node:crypto";
import { link, readFile, readlink, unlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import process from "node:process";
import { type Clock, systemClock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";

const WAIT_MS_MAX = 10_000;
const TORN = "torn"; // stands for the id of an owner whose file has no content

interface Owner {
  readonly id: string; // of this acquisition
  readonly host: string; // machine and PID namespace
  readonly boot: string;
  readonly pid: number;
  readonly started: string; // kernel's start time of that pid: tells a reused pid apart
}

export interface PathLockOptions {
  readonly clock?: Clock;
  /** How long a living owner is waited for. */
  readonly waitMsMax?: number;
}

/**
 * Runs `work` while holding the lock file `lockPath`, whose folder exists and is on one file system.
 * @throws store.unavailable when a living owner does not free it in time; `work` has not run then
 */
export async function withPathLock<T>(
  lockPath: string,
  work: () => Promise<T>,
  options: PathLockOptions = {},
): Promise<T> {
  const { clock = systemClock, waitMsMax = WAIT_MS_MAX } = options;
  const owner: Owner = { id: randomUUID(), ...(await self()) };
  const deadlineMs = clock.monotonicMs() + waitMsMax;
  for (let waitMs = 1; !(await claim(lockPath, owner)); waitMs = Math.min(waitMs * 2, 50)) {
    const holder = await readOwner(lockPath);
    if (holder === undefined) continue; // freed meanwhile
    if (!(await isAlive(holder)) && (await breakLock(lockPath, holder, owner))) continue;
    if (clock.monotonicMs() > deadlineMs) {
      const details = { lock: lockPath, pid: holder.pid, host: holder.host };
      throw new MuaraError("store.unavailable", "a lock file is held by another process", { details });
    }
    await clock.sleep(waitMs);
  }
  try {
    return await work();
  } finally {
    await unlink(lockPath);
  }
}

/** Creates `path` whole, with `owner` in it; false where it exists. */
async function claim(path: string, owner: Owner): Promise<boolean> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, [owner.id, owner.host, owner.boot, owner.pid, owner.started].join("\n"));
    await link(temporary, path);
    return true;
  } catch (error) {
    if (hasErrno(error, "EEXIST")) return false;
    throw error;
  } finally {
    await unlinkIfPresent(temporary); // a full disk makes the name and takes no bytes
  }
}

/** @returns whether trying again at once makes sense */
async function breakLock(lockPath: string, dead: Owner, self_: Owner): Promise<boolean> {
  for (let turn = 1; ; turn++) {
    if (await claim(rightToBreak(lockPath, dead, turn), self_)) {
      const holder = await readOwner(lockPath);
      if (holder?.id === dead.id) await unlink(lockPath);
      for (let used = turn; used >= 1; used--) await unlinkIfPresent(rightToBreak(lockPath, dead, used));
      return true;
    }
    const breaker = await readOwner(rightToBreak(lockPath, dead, turn));
    if (breaker === undefined) return true; // it has just finished
    if (await isAlive(breaker)) return false;
  }
}

function rightToBreak(lockPath: string, dead: Owner, turn: number): string {
  return `${lockPath}.${dead.id}.${turn}`;
}

/** @returns undefined where there is no such file */
async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    const [id, host, boot, pid, started] = (await readFile(path, "utf8")).split("\n");
    // A name without its content is what a machine crash leaves: nobody who wrote it is alive.
    if (!id || !host || boot === undefined || !pid || started === undefined)
      return { ...(await self()), id: TORN };
    return { id, host, boot, pid: Number(pid), started };
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

let selfOnce: Promise<Omit<Owner, "id">> | undefined;
function self(): Promise<Omit<Owner, "id">> {
  selfOnce ??= (async () => ({
    host: `${hostname()} ${await readlink("/proc/self/ns/pid").catch(() => "")}`,
    boot: (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "")).trim(),
    pid: process.pid,
    started: (await startedAt(process.pid)) ?? "",
  }))();
  return selfOnce;
}

async function isAlive(owner: Owner): Promise<boolean> {
  if (owner.id === TORN) return false;
  const here = await self();
  if (owner.host !== here.host) return true;
  if (owner.boot !== here.boot) return false;
  if (here.started !== "") return (await startedAt(owner.pid)) === owner.started;
  try {
    process.kill(owner.pid, 0); // no /proc: a reused pid counts as alive, which is safe
    return true;
  } catch (error) {
    return !hasErrno(error, "ESRCH");
  }
}

/** Field 22 of /proc/PID/stat; the name before it is in parentheses and may hold spaces. A zombie is dead. */
async function startedAt(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || state === "X" ? undefined : fields[18];
}

async function unlinkIfPresent(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!hasErrno(error, "ENOENT")) throw error;
  }
}

export function hasErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
