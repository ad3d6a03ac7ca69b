import { expect, test } from "vitest";
import { takeLease } from "../../lake/lease.ts";
import { install } from "../workers/land/setup.ts";

test("of many that ask at once, at most one gets it; nonsense in its place is nobody's", async () => {
  const at = await install();
  for (const before of [undefined, "nonsense", '{"owner":"x","until":1}', '"text"']) {
    const path = "t/_compact.lease";
    await at.store.delete(path);
    if (before !== undefined) await at.store.put(path, new TextEncoder().encode(before));
    const owners = Array.from({ length: 8 }, (_, i) => `owner ${i}`);
    const leases = await Promise.all(owners.map((owner) => takeLease(at.ports, path, owner, 1_000)));
    expect(leases.filter((lease) => lease !== undefined).length, before).toBe(1);
  }
});

test("where the store does not answer nobody has it, and nothing is thrown", async () => {
  const at = await install((_operation, path) => (path.endsWith(".lease") ? "lost" : undefined));
  expect(await takeLease(at.ports, "t/_compact.lease", "me", 1_000)).toBeUndefined();
});
