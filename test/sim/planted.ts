/** Bugs to be planted. */
import type { Plant } from "./world.ts";

export const PLANTS: ReadonlyMap<string, Plant> = new Map<string, Plant>();
