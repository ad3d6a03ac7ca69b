/**
 * Adds to package-lock.json the optional packages of other platforms that npm left out: `node .ci/complete-lock.js`,
 * to be run after every `npm install`. npm leaves out what the registry at hand does not serve, and `npm ci` then
 * refuses the lock, although it would never install those packages here. Their platform is read from their name; they
 * carry a version, but no checksum, because nobody here has seen their bytes.
 */
import { readFileSync, writeFileSync } from "node:fs";

const SYSTEMS = new Set([
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
]);
const PROCESSORS = new Set([
  "arm",
  "arm64",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "riscv64",
  "s390x",
  "x64",
]);
const C_LIBRARIES = { gnu: "glibc", glibc: "glibc", gnueabihf: "glibc", musl: "musl", musleabihf: "musl" };

const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(path, "utf8"));

for (const parent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    if (lock.packages[place] !== undefined) continue;
    const words = name.split(/[/-]/);
    const system = words.find((word) => SYSTEMS.has(word));
    const processor = words.find((word) => PROCESSORS.has(word));
    if (system === undefined || processor === undefined || !/^\d+\.\d+\.\d+/.test(version))
      throw new Error(`cannot tell the platform of ${name}@${version}: add it to package-lock.json by hand`);
    const library = words.map((word) => C_LIBRARIES[word]).find((word) => word !== undefined);
    lock.packages[place] = {
      version,
      cpu: [processor],
      ...(parent.dev === true ? { dev: true } : {}),
      ...(library !== undefined && system === "linux" ? { libc: [library] } : {}),
      optional: true,
      os: [system],
    };
  }
}

const packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`);
