/** Prometheus's own tester of alert rules, Debian's: what `for` and `keep_firing_for` mean there. */
import { debianBinary, hasDebianBinary, unpackDebian } from "./debian-binary.ts";

const PACKAGE = "prometheus";
const PROGRAM = "promtool";

export function hasPromtool(): boolean {
  return hasDebianBinary(PACKAGE, PROGRAM);
}

export function installPromtool(): void {
  unpackDebian(PACKAGE);
}

/** @throws where it is missing */
export function promtool(): string {
  if (!hasPromtool()) throw new Error(`${PROGRAM} is missing: run "npm run setup"`);
  return debianBinary(PACKAGE, PROGRAM);
}
