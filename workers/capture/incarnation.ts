/** Numbers of slots: of several processes that ask at once each gets another one, and none is given twice. */
import { assert } from "../../core/assert.ts";
import { INCARNATION_MAX } from "../../core/change.ts";
import { hasCode } from "../../core/errors.ts";
import type { Registry } from "../../core/registry.ts";

const KIND = "capture-incarnation";
const NAME = "last";
const ATTEMPTS_MAX = 64;

export async function nextIncarnation(registry: Registry): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const last = registry.get<number>(KIND, NAME);
    const next = (last?.value ?? 0) + 1;
    assert(next <= INCARNATION_MAX, "there are no more incarnations");
    try {
      await registry.put<number>(KIND, NAME, last?.revision ?? 0, next);
      return next;
    } catch (error) {
      if (!hasCode(error, "declaration.conflict") || attempt === ATTEMPTS_MAX) throw error;
      await registry.refresh();
    }
  }
}
