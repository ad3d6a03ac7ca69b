/**
 * Small disks for real processes: each a tmpfs in a mount namespace of its own, which a process that only waits
 * keeps alive, so that a server can be started on the same disk again. Root makes the namespace directly (in a
 * container it needs the capability SYS_ADMIN), anybody else with an unprivileged user namespace.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";

const KIB = 1_024;
const NEEDED =
  "Full disks are tested on a tmpfs in a mount namespace: run as root (a container needs --cap-add SYS_ADMIN), " +
  "or allow unprivileged user namespaces (kernel.unprivileged_userns_clone, AppArmor's restriction).";

export interface SmallDisks {
  /** Put before a command, it runs where the disks are. */
  readonly prefix: readonly string[];
  /** A path of the namespace as this process reaches it. */
  outside(path: string): string;
  /** Leaves about `bytes` free on the disk that `folder` is on. */
  fill(folder: string, bytes: number): Promise<void>;
  /** Gives the room back. */
  free(folder: string): Promise<void>;
  close(): Promise<void>;
}

/** @param sizes absolute folder → bytes; the folders must exist. */
export async function smallDisks(sizes: Readonly<Record<string, number>>): Promise<SmallDisks> {
  const mounts = Object.entries(sizes).map(
    ([folder, bytes]) => `mount -t tmpfs -o size=${Math.ceil(bytes / KIB)}k,mode=755 none '${folder}'`,
  );
  const script = `${mounts.join(" && ")} && echo mounted && exec sleep 3600`;
  const isRoot = process.getuid?.() === 0;
  const namespaces = isRoot ? ["--mount"] : ["--user", "--map-root-user", "--mount"];
  const holder = spawn("unshare", [...namespaces, "sh", "-c", script], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  await mounted(holder);
  const outside = (path: string): string => join(`/proc/${holder.pid!}/root`, path);
  const ballast = (folder: string): string => outside(join(folder, "ballast"));
  return {
    prefix: [
      "nsenter",
      ...(isRoot ? [] : ["--user", "--preserve-credentials"]),
      "--mount",
      `--target=${holder.pid!}`,
    ],
    outside,
    fill: async (folder, bytes) => {
      const chunk = new Uint8Array(KIB * 4);
      const { bavail, bsize } = await statfs(outside(folder));
      const file = await open(ballast(folder), "a");
      try {
        for (let left = bavail * bsize - bytes; left > 0; left -= chunk.length) await file.write(chunk);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error; // who else writes here was faster
      } finally {
        await file.close();
      }
    },
    free: (folder) => rm(ballast(folder)),
    close: async () => {
      const closed = once(holder, "close");
      holder.kill("SIGKILL");
      await closed;
    },
  };
}

function mounted(holder: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let errors = "";
    holder.stderr!.on("data", (part: Buffer) => (errors += part.toString()));
    holder.stdout!.once("data", () => resolve());
    holder.once("error", reject);
    holder.once("close", (code) =>
      reject(new Error(`no small disk: unshare ended with ${code}. ${NEEDED}\n${errors}`)),
    );
  });
}
