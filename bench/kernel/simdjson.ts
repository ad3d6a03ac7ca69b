/** The native scanner: Debian's simdjson (package libsimdjson-dev), in a program built on the spot by g++. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("../native/simdjson.cpp", import.meta.url));
/** Of one process. */
const ROUNDS = 3;

export interface NativeScanner {
  /** CPU ms of each of some rounds over all events. */
  run(): number[];
  /** Removes what was built. */
  close(): void;
}

/** @returns null where the library or the compiler is not there */
export function buildSimdjson(events: readonly Uint8Array[]): NativeScanner | null {
  const folder = mkdtempSync(join(tmpdir(), "muara-simdjson-"));
  const program = join(folder, "simdjson");
  const flags = ["-std=c++17", "-O3", "-march=native", SOURCE, "-lsimdjson", "-o", program];
  const close = (): void => {
    rmSync(folder, { recursive: true, force: true });
  };
  if (spawnSync("g++", flags, { stdio: "ignore" }).status !== 0) {
    close();
    return null;
  }
  const input = join(folder, "events");
  const heading = Uint32Array.from([events.length, ...events.map(({ length }) => length)]);
  writeFileSync(input, Buffer.concat([new Uint8Array(heading.buffer), ...events]));
  return {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- simdjson.cpp prints it
    run: () => JSON.parse(execFileSync(program, [input, String(ROUNDS)], { encoding: "utf8" })) as number[],
    close,
  };
}
