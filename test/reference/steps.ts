/** Every operation of the API once, in an order that makes sense. */
import type { Step } from "./step.ts";
import { ACCESS_STEPS } from "./steps-access.ts";
import { DOOR_STEPS } from "./steps-door.ts";
import { FLOW_STEPS } from "./steps-flow.ts";
import { LAKE_STEPS } from "./steps-lake.ts";

const isEnd = ({ id }: Step): boolean => id === "erase" || id === "listErasures";

/** Rows are erased last: what was handed over before has them. */
export const STEPS: readonly Step[] = [
  ...DOOR_STEPS,
  ...LAKE_STEPS.filter((step) => !isEnd(step)),
  ...FLOW_STEPS,
  ...ACCESS_STEPS,
  ...LAKE_STEPS.filter(isEnd),
];
