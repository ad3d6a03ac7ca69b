import { expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import type { KernelExports } from "../../core/kernel-abi.ts";
import { Dice } from "./documents.ts";
import { kernelModule } from "./support.ts";

const SEED = Number(process.env["SEED"] ?? 20_260_306);

function instantiate(): KernelExports {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- build.test.ts checks the version
  const kernel = new WebAssembly.Instance(kernelModule, {}).exports as unknown as KernelExports;
  kernel.initialise(kernel.reserveArguments(16));
  return kernel;
}

/** A plan without paths takes a block whose size the depth limit decides. */
function createPlan(kernel: KernelExports, depth: number): number {
  const at = kernel.reserveArguments(12) >>> 0;
  new Uint32Array(kernel.memory.buffer, at, 3).set([1000, depth, 0]);
  return kernel.createPlan(at, 12) >>> 0;
}

test("the heap stays sound whatever is taken and given back, with and without room to grow", () => {
  const dice = new Dice(seededRandomness(SEED));
  for (let life = 0; life < 60; life++) {
    const kernel = instantiate();
    if (dice.chance(0.5)) kernel.setMemoryLimit(2 + dice.roll(60));
    const plans: number[] = [];
    const sets: number[] = [];
    for (let step = 0; step < 400; step++) {
      const action = dice.roll(8);
      const isShrinking = step % 100 > 60; // and everything is free now and then
      if (action < 3 && !isShrinking) {
        const plan = createPlan(kernel, 1 + dice.roll(dice.pick([1, 10, 1000, 20_000])));
        if (plan) plans.push(plan);
      } else if (action < 6 && plans.length > 0) {
        // the newest often: it is the last block
        const place = dice.chance(0.5) ? plans.length - 1 : dice.roll(plans.length);
        kernel.destroyPlan(plans.splice(place, 1)[0]!);
      } else if (action === 6 && !isShrinking) {
        const set = kernel.createSet(1000, 100) >>> 0;
        if (set) sets.push(set);
      } else if (sets.length > 0) {
        kernel.destroySet(sets.splice(dice.roll(sets.length), 1)[0]!);
      } else {
        kernel.reserveInput(dice.roll(dice.pick([100, 10_000, 20_000_000])));
      }
      if (!kernel.isMemorySound()) throw new Error(`seed ${SEED}, life ${life}: unsound after step ${step}`);
    }
    for (const plan of plans) kernel.destroyPlan(plan);
    for (const set of sets) kernel.destroySet(set);
    expect(kernel.isMemorySound()).toBe(1);
  }
});
