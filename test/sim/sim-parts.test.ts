/** What stands in for the product's parts in a simulated world keeps the same contracts. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, it, test } from "vitest";
import type { Disk } from "../../adapters/file/disk.ts";
import { openFileLog } from "../../adapters/file/log.ts";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import { logCasesFor } from "../conformance/log.ts";
import type { LogHarness } from "../conformance/log-harness.ts";
import { objectStoreCases } from "../conformance/object-store.ts";
import { Faults } from "./faults.ts";
import { simRandomness } from "./randomness.ts";
import { SimDisk } from "./sim-disk.ts";
import { SimStore } from "./sim-store.ts";

describe("the simulated store", () => {
  it.each(objectStoreCases)("%s", (_name, run) =>
    run({
      open: async () =>
        new SimStore({ nowMs: () => 1_700_000_000_000, fault: () => undefined, isCopying: true }),
    }),
  );
});

const directories: string[] = [];
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

const quiet = new Faults(simRandomness(1));

function newDisk(): SimDisk {
  return new SimDisk({ random: simRandomness(2), faults: quiet, nowMs: () => 0 });
}

function viewOf(disk: SimDisk): Disk {
  return disk.view(
    (call) => call(),
    async () => {},
  );
}

function harness(): LogHarness {
  const clock = new ManualClock(1_700_000_000_000);
  const randomness = seededRandomness(1);
  // A directory that nobody else has: the lock beside the log is a real one.
  const directory = mkdtempSync(join(tmpdir(), "muara-sim-"));
  directories.push(directory);
  const disk = newDisk();
  const open = (): Promise<Log> =>
    openFileLog({
      directory,
      clock,
      randomness,
      logger: silentLogger,
      disk: viewOf(disk),
      segmentBytes: 900,
    });
  const reopen = async (log: Log): Promise<Log> => {
    await log.close();
    return open();
  };
  return { clock, open, reopen, abilities: ["clock", "reopen", "producers", "retention", "accepted"] };
}

describe("the log on the simulated disk", () => {
  for (const [name, run] of logCasesFor(harness().abilities))
    // oxlint-disable-next-line vitest/valid-title -- they are strings
    test(name, () => run(harness()));
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function written(disk: SimDisk, isSynced: boolean): Promise<Disk> {
  const view = viewOf(disk);
  const fd = await view.open("/d/a", "create");
  await view.write(fd, bytes("synced"), 0);
  await view.datasync(fd);
  await view.syncDirectory("/d");
  await view.write(fd, bytes(", not"), 6);
  if (isSynced) await view.datasync(fd);
  return view;
}

describe("the simulated disk", () => {
  it("keeps what was synced, and loses what was not", async () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const disk = new SimDisk({ random: simRandomness(seed), faults: quiet, nowMs: () => 0 });
      const view = await written(disk, false);
      disk.losePower();
      const found = (await view.readFile("/d/a"))!;
      lengths.add(found.length);
      assert.equal(new TextDecoder().decode(found).slice(0, 6), "synced");
      const rest = new TextDecoder().decode(found.subarray(6));
      assert.ok(", not".startsWith(rest.replaceAll("\0", "")), rest);
    }
    assert.ok(lengths.size > 3, "now more of it, now less");
    const disk = newDisk();
    const view = await written(disk, true);
    disk.losePower();
    assert.equal(new TextDecoder().decode(await view.readFile("/d/a")), "synced, not");
  });

  it("loses names whose directory was not synced, the newest first", async () => {
    const kept = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const disk = new SimDisk({ random: simRandomness(seed), faults: quiet, nowMs: () => 0 });
      const view = await written(disk, true);
      await view.open("/d/b", "create");
      await view.rename("/d/a", "/d/c");
      disk.losePower();
      kept.add([...(await view.list("/d"))].sort().join());
    }
    assert.deepEqual([...kept].sort(), ["a", "a,b", "b,c"]);
  });

  it("a failed sync leaves bytes that only another write makes durable", async () => {
    const faults = new Faults(simRandomness(1));
    const disk = new SimDisk({ random: simRandomness(2), faults, nowMs: () => 0 });
    const view = await written(disk, false);
    faults.always("disk: sync fails");
    const fd = await view.open("/d/a", "write");
    await assert.rejects(view.datasync(fd), { code: "EIO" });
    faults.isHealed = true;
    await view.datasync(fd);
    assert.equal(new TextDecoder().decode(await view.readFile("/d/a")), "synced, not");
    disk.losePower();
    assert.equal(new TextDecoder().decode(await view.readFile("/d/a")).replaceAll("\0", ""), "synced");
  });
});
