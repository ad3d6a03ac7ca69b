/**
 * The command line of a proof that runs Muara's processes for long: `--seconds N` (or other lengths), `--seed N`, by
 * chance without it and printed first, and `--s3` for a lake on an S3 server.
 */
import { parseArgs } from "node:util";
import { type S3Server, startS3 } from "../services/versitygw.ts";

export interface ProofOptions {
  readonly seed: number;
  /** Where the lake lies, instead of in a directory. */
  readonly server?: S3Server;
  readonly tell?: (line: string) => void;
}

/**
 * Runs the proof and prints what it returns, and how long it took.
 * @param lengths what tells how long it is, with the long form's values
 */
export async function proofCommand<Unit extends string>(
  lengths: Readonly<Record<Unit, number>>,
  run: (options: ProofOptions & Readonly<Record<Unit, number>>) => Promise<unknown>,
): Promise<void> {
  const units = Object.keys(lengths) as Unit[];
  const numbers = Object.fromEntries(units.map((unit) => [unit, { type: "string" as const }]));
  const { values } = parseArgs({
    options: { ...numbers, seed: { type: "string" }, s3: { type: "boolean" } },
  });
  const seed = Number(values["seed"] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const server = values["s3"] ? await startS3() : undefined;
  const startedMs = performance.now();
  try {
    const given = values as Readonly<Record<string, unknown>>;
    const size = Object.fromEntries(units.map((unit) => [unit, Number(given[unit] ?? lengths[unit])]));
    console.log(
      JSON.stringify(
        await run({
          ...(size as Record<Unit, number>),
          seed,
          tell: console.log,
          ...(server ? { server } : {}),
        }),
        null,
        2,
      ),
    );
  } finally {
    await server?.stop();
  }
  console.log(`${Math.round((performance.now() - startedMs) / 1_000)} s`);
}
