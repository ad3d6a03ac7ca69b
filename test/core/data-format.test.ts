/** Which data a release takes: its own and older, never newer; and what it notes of itself. */
import { expect, test } from "vitest";
import { createMemoryLog } from "../../adapters/memory/log.ts";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { checkDataFormat, claimDataFormat, DATA_FORMAT } from "../../core/data-format.ts";
import type { Log } from "../../core/ports/log.ts";
import { Registry } from "../../core/registry.ts";

const clock = new ManualClock(0);
const newLog = (): Log => createMemoryLog({ clock, randomness: seededRandomness(1) });
const open = (log: Log, writer = "w"): Promise<Registry> => Registry.open(log, writer, clock);
const noted = (registry: Registry): unknown => registry.get("data-format", "muara");

async function registryWith(format: number | undefined): Promise<Registry> {
  const registry = await open(newLog());
  if (format !== undefined) await registry.put("data-format", "muara", 0, { format, version: "0.0.1" });
  return registry;
}

test.each([undefined, DATA_FORMAT - 1, DATA_FORMAT])(
  "data of format %s is taken and raised",
  async (format) => {
    const registry = await registryWith(format);
    expect(() => checkDataFormat(registry)).not.toThrow();
    await claimDataFormat(registry, "1.2.3");
    const version = format === DATA_FORMAT ? "0.0.1" : "1.2.3";
    expect(noted(registry)).toMatchObject({ value: { format: DATA_FORMAT, version } });
  },
);

test("what is newer is refused, and stays as it is", async () => {
  const registry = await registryWith(DATA_FORMAT + 1);
  const before = noted(registry);
  const newer = {
    code: "format.newer",
    details: { format: DATA_FORMAT + 1, version: "0.0.1", known: DATA_FORMAT },
  };
  expect(() => checkDataFormat(registry)).toThrow(expect.objectContaining(newer));
  await expect(claimDataFormat(registry, "1.2.3")).rejects.toMatchObject(newer);
  expect(noted(registry)).toEqual(before);
});

test("processes that begin in the same moment agree, each start after the first writes nothing", async () => {
  const log = newLog();
  const registries = [await open(log, "a"), await open(log, "b"), await open(log, "c")];
  await Promise.all(registries.map((registry) => claimDataFormat(registry, "1.2.3")));
  const after = await open(log, "d");
  expect(noted(after)).toMatchObject({ revision: 1, value: { format: DATA_FORMAT, version: "1.2.3" } });
  await claimDataFormat(after, "1.2.4");
  expect(noted(after)).toMatchObject({ revision: 1 });
});

test("who meets a newer release in the moment of its claim gives way", async () => {
  const log = newLog();
  const registry = await open(log, "old");
  await (await open(log, "new")).put("data-format", "muara", 0, { format: DATA_FORMAT + 1, version: "9" });
  await expect(claimDataFormat(registry, "1.2.3")).rejects.toMatchObject({ code: "format.newer" });
});
