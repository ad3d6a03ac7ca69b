/** Where the boxes of a small graph stand: in layers, each behind all that it reads, rows in the order they come. */

export interface Placed {
  readonly id: string;
  /** From 0. */
  readonly layer: number;
  readonly row: number;
}

interface Edge {
  readonly from: string;
  readonly to: string;
}

/** @param ids those that have nothing before them stand in the layer 0; edges of a ring are left out of account */
export function placeInLayers(ids: readonly string[], edges: readonly Edge[]): readonly Placed[] {
  const layers = new Map(ids.map((id) => [id, 0]));
  // The longest way to it; as many rounds as there are boxes are enough where there is no ring.
  for (let round = 0; round < ids.length; round++)
    for (const { from, to } of edges) {
      const next = (layers.get(from) ?? 0) + 1;
      if (layers.has(from) && from !== to && next < ids.length)
        layers.set(to, Math.max(layers.get(to) ?? 0, next));
    }
  const used = [...new Set(layers.values())].toSorted((a, b) => a - b);
  const rows = new Map<number, number>();
  return ids.map((id) => {
    const layer = used.indexOf(layers.get(id)!);
    const row = rows.get(layer) ?? 0;
    rows.set(layer, row + 1);
    return { id, layer, row };
  });
}
