/**
 * Programs out of Debian's packages, without installing these: their set-up would start servers of its own. They lie
 * under the git-ignored `.services/`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SERVICES = fileURLToPath(new URL("../../.services", import.meta.url));

/** Where a program of a package lies, or would. */
export function debianBinary(name: string, program: string): string {
  return join(SERVICES, `debian-${name}`, "usr/bin", program);
}

export function hasDebianBinary(name: string, program: string): boolean {
  return existsSync(debianBinary(name, program));
}

/** @throws where the package is not to be had */
export function unpackDebian(name: string): void {
  mkdirSync(SERVICES, { recursive: true });
  const folder = mkdtempSync(join(SERVICES, "fetch-"));
  try {
    // Where nobody has asked for the lists of packages yet, the first attempt does not find it.
    if (!runs(folder, "apt-get", "download", name)) {
      runs(folder, "apt-get", "update");
      if (!runs(folder, "apt-get", "download", name)) throw new Error(`apt-get download ${name} failed`);
    }
    const archive = readdirSync(folder).find((file) => file.endsWith(".deb"));
    if (!runs(folder, "dpkg-deb", "-x", archive!, "unpacked"))
      throw new Error(`dpkg-deb -x ${archive} failed`);
    const home = join(SERVICES, `debian-${name}`);
    rmSync(home, { recursive: true, force: true });
    renameSync(join(folder, "unpacked"), home);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runs(cwd: string, command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { cwd, stdio: "inherit" }).status === 0;
}
