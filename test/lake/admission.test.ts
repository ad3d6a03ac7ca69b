/** Whether a store may hold a lake is asked for everybody: who gives up waiting ends nobody else's. */
import { expect, test } from "vitest";
import { createMemoryObjectStore } from "../../adapters/memory/object-store.ts";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import { admit, ALWAYS_ADMITTED } from "../../lake/admission.ts";

const START_WAIT_MS = 3_000;
const AGAIN_MS = 2_000;

async function waiting() {
  const clock = new ManualClock(0);
  let isDown = true;
  let looks = 0;
  const faults = (): "lost" | undefined => {
    looks++;
    return isDown ? "lost" : undefined;
  };
  const store = createMemoryObjectStore({ clock, faults });
  const admitting = admit({
    store,
    writers: "many",
    clock,
    randomness: seededRandomness(1),
    logger: silentLogger,
  });
  const turns = async (ms: number): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
    clock.advance(ms);
    for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
  };
  await turns(START_WAIT_MS);
  const admission = await admitting;
  return { admission, turns, looks: () => looks, recover: () => (isDown = false) };
}

test("a request that its client leaves is answered, and landing is admitted once the store is back", async () => {
  const { admission, turns, recover } = await waiting();
  const landing = admission.granted(new AbortController().signal);
  const client = new AbortController();
  const request = admission.granted(client.signal);
  client.abort();
  expect(await request).toBe(false);
  expect(await admission.granted(AbortSignal.abort())).toBe(false);
  recover();
  await turns(AGAIN_MS);
  expect(await landing).toBe(true);
});

test("after the end the store is not asked any more", async () => {
  const { admission, turns, looks } = await waiting();
  const landing = admission.granted(new AbortController().signal);
  admission.end();
  await turns(AGAIN_MS);
  expect(await landing).toBe(false);
  const before = looks();
  await turns(10 * AGAIN_MS);
  expect(looks()).toBe(before);
  expect(await ALWAYS_ADMITTED.granted(AbortSignal.abort())).toBe(true);
});
