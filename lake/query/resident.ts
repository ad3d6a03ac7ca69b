/** Resident memory of another process: by /proc on Linux, by `ps` on other POSIX systems, unknown elsewhere. */
import { execFile } from "node:child_process";
import fs from "node:fs";
import process from "node:process";

/** How fast a process can take memory at most: a page fault takes the kernel some time (measured: below 2 GB/s). */
const GROWTH_BYTES_PER_MS = 4_000_000;
const WAIT_MS_MIN = 5;
const WAIT_MS_MAX = 50;
/** `ps` is a process of its own. */
const WAIT_BY_PS_MS = 250;

/** When to look again, ms: before the process can have reached its limit. @param leftBytes until the limit */
export function waitMs(leftBytes: number): number {
  if (process.platform !== "linux") return WAIT_BY_PS_MS;
  return Math.min(WAIT_MS_MAX, Math.max(WAIT_MS_MIN, leftBytes / GROWTH_BYTES_PER_MS));
}

/**
 * @param isWrapped it is the only child of `pid` that counts
 * @returns undefined where the system does not say, or the process has gone
 */
export async function residentBytes(pid: number, isWrapped: boolean): Promise<number | undefined> {
  if (process.platform === "linux") return fromProc(isWrapped ? childOf(pid) : pid);
  return process.platform === "win32" ? undefined : fromPs(pid);
}

export function childOf(pid: number): number | undefined {
  const [first] = read(`/proc/${pid}/task/${pid}/children`).split(" ");
  return first ? Number(first) : undefined;
}

function fromProc(pid: number | undefined): number | undefined {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
}

export function fromPs(pid: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    execFile("ps", ["-o", "rss=", "-p", String(pid)], (error, stdout) => {
      const kilobytes = Number(stdout.trim());
      resolve(error || !(kilobytes > 0) ? undefined : kilobytes * 1_024);
    });
  });
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, "latin1").trim();
  } catch {
    return "";
  }
}
