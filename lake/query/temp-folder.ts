/**
 * The folder of a service's query processes, or of its process that rewrites files, below a folder for temporary files.
 * Its name says whose it is, so that the next service can remove what a killed one has left, and nothing of a living
 * one: same machine since its start, same process namespace (a container may share the folder but not the process
 * numbers), and the number no longer that of the process which made it.
 */
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";

const NAME = /^muara-(?:query|rewrite)-([0-9a-f]{8})-(\d+)-(\d+)-/;
/**
 * Another user's, theirs to remove; or a query process that has outlived its killed service for a moment still writes
 * there, or another service sweeps it as well. What is left goes the next time.
 */
const NOT_NOW = new Set(["EACCES", "EPERM", "ENOTEMPTY", "EBUSY", "ENOENT"]);

/** @param kind of process that it is for */
export async function makeTempFolder(
  parent = os.tmpdir(),
  kind: "query" | "rewrite" = "query",
): Promise<string> {
  const name = `muara-${kind}-${machine()}-${process.pid}-${startOf(process.pid)}-`;
  return fs.mkdtemp(path.join(await fs.realpath(parent), name));
}

/** Removes what ended services have left. @returns the names that were removed */
export async function sweepTempFolders(parent = os.tmpdir()): Promise<readonly string[]> {
  const own = machine();
  const removed: string[] = [];
  for (const name of await fs.readdir(parent)) {
    const [, where, pid, start] = NAME.exec(name) ?? [];
    if (where !== own || isAlive(Number(pid), start!)) continue;
    try {
      await fs.rm(path.join(parent, name), { recursive: true, force: true });
      removed.push(name);
    } catch (error) {
      if (!NOT_NOW.has((error as { code?: string }).code ?? "")) throw error;
    }
  }
  return removed;
}

function machine(): string {
  const parts = [os.hostname(), read("/proc/sys/kernel/random/boot_id"), link("/proc/self/ns/pid")];
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 8);
}

function isAlive(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as { code?: string }).code === "ESRCH") return false;
  }
  // A killed process that its parent has not waited for keeps its number, and writes nowhere any more.
  const fields = statusOf(pid);
  return fields[0] !== "Z" && (fields[19] ?? "0") === start;
}

/** When the process started, in ticks since the machine did; "0" where the system does not say. */
function startOf(pid: number): string {
  return statusOf(pid)[19] ?? "0";
}

/** The fields of Linux' `/proc/PID/stat` from the third, the state; none elsewhere. */
function statusOf(pid: number): readonly string[] {
  // The name of the process may hold anything, so count from its end.
  return read(`/proc/${pid}/stat`).replace(/^.*\)/s, "").trim().split(" ");
}

function read(file: string): string {
  try {
    return readFileSync(file, "latin1").trim();
  } catch {
    return "";
  }
}

function link(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}
