/** What `muara.js` tells V8 about its garbage, for benches of what runs under it. */
import { setFlagsFromString } from "node:v8";

export const MUARA_FLAGS = ["--heap-growing-percent=200", "--semi-space-growth-factor=1"] as const;

/** Before there is garbage. Deno has no such door. */
export function collectAsMuara(): void {
  if (!("Deno" in globalThis)) for (const flag of MUARA_FLAGS) setFlagsFromString(flag);
}
