/**
 * The seed of generated tests: the gate's is fixed, so that its verdict is of the commit and not of the day; a run by
 * hand takes a new one each time, and `MUARA_TEST_SEED=N` takes that one.
 */
import { env } from "node:process";
import * as fc from "fast-check";

const GATE_SEED = 20_261_121;

const seed = env["MUARA_TEST_SEED"] ?? (env["CI"] === "true" ? String(GATE_SEED) : "");
if (seed !== "") fc.configureGlobal({ seed: Number(seed) });
