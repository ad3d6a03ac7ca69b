/** The kind `rows`: every stage is row-wise, so that over a step's rows it gives the step's part of the result. */
import { overNewRows, type Analysis } from "../analysis.ts";
import type { CompiledPlan } from "./compiled-plan.ts";

export function rowsPlan(analysis: Analysis): Promise<CompiledPlan> {
  return Promise.resolve({
    kind: "rows",
    pending: analysis.inputs.map(() => null),
    state: [],
    prepare: [],
    absorb: [],
    release: analysis.select.whole(overNewRows(analysis), () => true),
    corrections: [],
    forget: [],
    preview: null,
    batch: [],
  });
}
