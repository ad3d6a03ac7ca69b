/** What sealed parts leave open, against the lake's exact ids and times. */
import { describe, expect, test } from "vitest";
import { createMemoryObjectStore, type MemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import { createKernel } from "../../../core/kernel.ts";
import { kernelModule } from "../../core-as/support.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import {
  counter,
  declare,
  event,
  eventType,
  HOUR_MS,
  install,
  type Installation,
  never,
  OPTIONS,
  send,
} from "./setup.ts";

/** The same with another process's kernel, which seals whatever does not fit. */
function within(at: Installation, identityBytes: number): Installation {
  const kernel = createKernel(kernelModule, new Uint8Array(16).fill(5), { identityBytes });
  return { ...at, kernel, ports: { ...at.ports, kernel } };
}

async function installed(): Promise<Installation> {
  const at = await install();
  await declare(at, eventType());
  return within(at, 16_384);
}

async function land(at: Installation, numbers: readonly number[], landing: TableLanding): Promise<void> {
  await send(
    at,
    numbers.map((n) => event(n)),
  );
  await landing.step(never);
}

/** One id in three spellings. */
const SPELLINGS: readonly ((n: number) => string)[] = [
  (n) => `abcdef00-0000-4000-8000-${String(n).padStart(12, "0")}`,
  (n) => `ABCDEF00-0000-4000-8000-${String(n).padStart(12, "0")}`,
  (n) => `aBcdef00-0000-4000-8000-${String(n).padStart(12, "0")}`,
];

/** How the last start came by its ids: the image's version, or null. */
function lastImage(at: Installation): unknown {
  const line = at.lines.findLast(({ message }) => message === "ids known");
  return (line as unknown as { image: number | null }).image;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

test("within 16 KiB thousands of ids are known, each once, whatever was sealed", async () => {
  const at = await installed();
  const landing = await TableLanding.open(at.ports, OPTIONS, eventType());
  for (let from = 0; from < 3_000; from += 100) await land(at, range(from, from + 100), landing);
  expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([3_000, 0]);
  expect(landing.knownIds).toBe(3_000);
  expect(at.kernel.identityBudget.bytes).toBeLessThanOrEqual(16_384);
  for (let from = 0; from < 3_000; from += 500) await land(at, range(from, from + 100), landing);
  expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([3_000, 600]);
  landing.discard();
  // rebuilt from the lake within the same budget
  const again = await TableLanding.open(at.ports, OPTIONS, eventType());
  expect(at.kernel.identityBudget.bytes).toBeLessThanOrEqual(16_384);
  await land(at, [...range(2_900, 3_000), ...range(0, 50), 5_000], again);
  expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([3_001, 750]);
  again.discard();
});

test("the horizon's edge is exact where only the lake knows the time", async () => {
  const at = await installed();
  const landing = await TableLanding.open(at.ports, OPTIONS, eventType());
  const startMs = at.clock.nowMs();
  const at48h = async (ms: number, numbers: readonly number[]): Promise<void> => {
    at.clock.wallMs = startMs + ms;
    await land(at, numbers, landing);
  };
  await at48h(0, [1]);
  // what is sealed spans an hour
  for (let from = 100; from < 900; from += 100) await at48h(HOUR_MS, range(from, from + 100));
  await at48h(48 * HOUR_MS, [1]);
  expect(await counter(at, "duplicates")).toBe(1);
  await at48h(48 * HOUR_MS + 1, [1]);
  expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([802, 1]);
  await at48h(48 * HOUR_MS + 2, [1]);
  expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([802, 2]);
  landing.discard();
});

test("an id in capitals is the same id, however few are looked for and whatever their case", async () => {
  const at = await installed();
  const landing = await TableLanding.open(at.ports, OPTIONS, eventType());
  const landAs = async (how: number, numbers: readonly number[]): Promise<void> => {
    const metadata = { occurred_at: "2026-03-01T22:00:00Z" };
    await send(
      at,
      numbers.map((n) => event(n, { metadata: { ...metadata, eid: SPELLINGS[how]!(n) } })),
    );
    await landing.step(never);
  };
  for (let from = 0; from < 900; from += 100) await landAs((from / 100) % 3, range(from, from + 100));
  expect(await counter(at, "landed")).toBe(900);
  for (let n = 7; n < 900; n += 31) await landAs(n % 3, [n]);
  expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([900, 29]);
  landing.discard();
});

describe("a state image", () => {
  const EACH = { ...OPTIONS, imageCommits: 1 };

  async function withImage(): Promise<{ at: Installation; state: MemoryObjectStore }> {
    const at = await installed();
    const state = createMemoryObjectStore();
    const landing = await TableLanding.open({ ...at.ports, state }, EACH, eventType());
    for (let from = 0; from < 1_000; from += 100) await land(at, range(from, from + 100), landing);
    landing.discard();
    const kinds = (await state.list("")).map(({ path }) => path.split(".").at(-1));
    expect(kinds.filter((kind) => kind === "part").length).toBeGreaterThan(1);
    return { at, state };
  }

  /** All ids once more, and a new one, by a process with another budget. */
  async function startAgain(
    at: Installation,
    state: MemoryObjectStore,
    bytes: number,
  ): Promise<Installation> {
    const other = within(at, bytes);
    const landing = await TableLanding.open({ ...other.ports, state }, EACH, eventType());
    expect(landing.knownIds).toBe(1_000);
    for (let from = 0; from < 1_000; from += 100) await land(other, range(from, from + 100), landing);
    await land(other, [9_000], landing);
    landing.discard();
    expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([1_001, 1_000]);
    expect(other.kernel.identityBudget.bytes).toBe(0);
    return other;
  }

  test("with sealed parts knows what the set knew, with more memory and with less", async () => {
    for (const bytes of [16_384, 20_000, 1 << 20]) {
      const { at, state } = await withImage();
      await startAgain(at, state, bytes);
      expect(lastImage(at)).toBe(10);
    }
  });

  test("whose sealed part is damaged, cut or missing is discarded, and so is one of another format", async () => {
    const ways: readonly ((bytes: Uint8Array) => Uint8Array | undefined)[] = [
      (bytes) => bytes.with(bytes.length >> 1, bytes[bytes.length >> 1]! ^ 1),
      (bytes) => bytes.subarray(0, -2),
      () => undefined,
    ];
    for (const way of ways) {
      const { at, state } = await withImage();
      for (const { path } of await state.list("")) {
        if (!path.endsWith(".part")) continue;
        const bytes = way((await state.get(path))!);
        await (bytes ? state.put(path, bytes) : state.delete(path));
      }
      await startAgain(at, state, 16_384);
      expect(lastImage(at)).toBe(null);
    }
    const { at, state } = await withImage();
    for (const { path } of await state.list("")) {
      if (!path.endsWith(".image")) continue;
      const text = new TextDecoder().decode(await state.get(path));
      await state.put(path, new TextEncoder().encode(text.replace("state image 3", "state image 2")));
    }
    await startAgain(at, state, 16_384);
    expect(lastImage(at)).toBe(null);
  });
});
