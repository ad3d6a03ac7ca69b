/** Layers of a graph: what is read stands before who reads it, no two boxes stand in one place, rings do no harm. */
import { array, assert, boolean, nat, property, record } from "fast-check";
import { expect, test } from "vitest";
import { placeInLayers } from "../../../api/dashboard/parts/graph-layout.ts";

test("a box stands behind the longest way to it", () => {
  const edges = [
    { from: "a", to: "b" },
    { from: "b", to: "c" },
    { from: "a", to: "c" },
  ];
  expect(placeInLayers(["a", "b", "c", "d"], edges).map(({ id, layer, row }) => [id, layer, row])).toEqual([
    ["a", 0, 0],
    ["b", 1, 0],
    ["c", 2, 0],
    ["d", 0, 1],
  ]);
});

test("without a ring every arrow goes to the right; whatever there is, each box has a place of its own", () => {
  const ids = ["0", "1", "2", "3", "4", "5"];
  const edge = record({ from: nat(5), to: nat(5) });
  assert(
    property(array(edge, { maxLength: 12 }), boolean(), (found, isRing) => {
      const edges = found
        .filter(({ from, to }) => isRing || from < to)
        .map(({ from, to }) => ({ from: String(from), to: String(to) }));
      const placed = placeInLayers(ids, edges);
      expect(new Set(placed.map(({ layer, row }) => `${layer} ${row}`)).size).toBe(ids.length);
      const layers = [...new Set(placed.map(({ layer }) => layer))].toSorted((a, b) => a - b);
      expect(layers).toEqual(layers.map((_, i) => i));
      if (isRing) return;
      const layerOf = new Map(placed.map(({ id, layer }) => [id, layer]));
      for (const { from, to } of edges) expect(layerOf.get(from)!).toBeLessThan(layerOf.get(to)!);
    }),
  );
});
