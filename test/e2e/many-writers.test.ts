/** The short form of `npm run proof:many-writers`: seconds instead of minutes, some versions instead of all. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runManyWriters } from "../proofs/many-writers.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";

const SECONDS = 12;
const FOREIGN_EACH = 25;

describe("many processes write the same tables, and one after the other is killed", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3();
  });
  afterAll(() => server.stop());

  test("in a directory", { timeout: 400_000 }, async () => {
    const result = await runManyWriters({ seconds: SECONDS, seed: 20_261_122, foreignEach: FOREIGN_EACH });
    console.log(JSON.stringify(result));
    expect(result.kills).toBeGreaterThanOrEqual(2);
    expect(result.compactions).toBeGreaterThan(0);
  });

  test("on S3 over a network that fails", { timeout: 600_000 }, async () => {
    const result = await runManyWriters({
      seconds: SECONDS,
      seed: 20_261_123,
      foreignEach: FOREIGN_EACH,
      server,
    });
    console.log(JSON.stringify(result));
    expect(result.kills).toBeGreaterThanOrEqual(2);
    expect(result.compactions).toBeGreaterThan(0);
  });
});
