/** Numbers as the configuration has them. */
import { z } from "zod";

export const MIB = 1_048_576;
export const HOUR_MS = 3_600_000;

export const ms = (value: number) => z.int().nonnegative().default(value);
export const bytes = (value: number) => z.int().positive().default(value);
export const count = (value: number) => z.int().positive().default(value);
