import assert from "node:assert/strict";
import * as fc from "fast-check";
import { it } from "vitest";
import { SortedMap } from "../../../lake/table/sorted-map.ts";

const sortedEntries = (map: ReadonlyMap<string, number>): readonly (readonly [string, number])[] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));

it("behaves as Map does, in key order, and older versions never change", () => {
  const key = fc.oneof(fc.nat(400).map(String), fc.string({ maxLength: 3, unit: "grapheme" }));
  const step = fc.record({ key, value: fc.nat(), isRemoved: fc.boolean() });
  const start = fc.array(fc.tuple(key, fc.nat()), { maxLength: 300 });
  fc.assert(
    fc.property(start, fc.array(step, { maxLength: 300 }), (entries, steps) => {
      const model = new Map(entries);
      let map = SortedMap.from(entries);
      const kept: (readonly [SortedMap<number>, ReadonlyMap<string, number>])[] = [];
      for (const [index, { key: name, value, isRemoved }] of steps.entries()) {
        if (index % 50 === 0) kept.push([map, new Map(model)]);
        if (isRemoved) model.delete(name);
        else model.set(name, value);
        map = isRemoved ? map.without(name) : map.with(name, value);
        assert.equal(map.get(name), model.get(name));
        assert.equal(map.has(name), model.has(name));
        assert.equal(map.size, model.size);
      }
      for (const [version, expected] of [...kept, [map, model] as const]) {
        const wanted = sortedEntries(expected);
        assert.deepEqual([...version], wanted);
        assert.deepEqual(
          [...version.keys()],
          wanted.map(([name]) => name),
        );
        assert.deepEqual(
          [...version.values()],
          wanted.map(([, value]) => value),
        );
        const visited: [string, number][] = [];
        for (const [name, value] of version.entries()) visited.push([name, value]);
        assert.deepEqual(visited, wanted);
        for (const [name] of entries) assert.equal(version.get(name), expected.get(name));
      }
    }),
    { numRuns: 60 },
  );
});

it("a change of a large map copies little: a thousand of them take less than one copy each", () => {
  const entries = Array.from({ length: 40_000 }, (_, index): [string, number] => [`f${index}`, index]);
  let map = SortedMap.from<number>();
  for (const [key, value] of entries) map = map.with(key, value);
  const before = map;
  const startMs = performance.now();
  for (let index = 0; index < 1000; index++)
    map = map.with(`f${index * 30}`, -1).without(`f${index * 30 + 1}`);
  const changesMs = performance.now() - startMs;
  const copyStartMs = performance.now();
  for (let index = 0; index < 20; index++) assert.equal(new Map(entries).size, 40_000);
  const copiesMs = (performance.now() - copyStartMs) * 50; // as many copies as there were changes
  assert.ok(changesMs < copiesMs / 20, `${changesMs} ms for the changes, ${copiesMs} ms for copies`);
  assert.equal(before.get("f0"), 0);
  assert.equal(map.size, 39_000);
});
