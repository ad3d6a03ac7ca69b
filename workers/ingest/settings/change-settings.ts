/** Changing settings: read, change, and put by compare-and-set. Of several at once each counts. */
import { hasCode, MuaraError } from "../../../core/errors.ts";
import type { Registry } from "../../../core/registry.ts";
import {
  adminsOf,
  type DenyList,
  DENY_KINDS,
  type DenyKind,
  denyListOf,
  type Feature,
  FEATURES,
  type FixedFeatures,
  type Grants,
  isOn,
  SETTING,
} from "../../../core/settings.ts";

const ATTEMPTS_MAX = 64;
/** Of one kind on the deny-list. */
const BLOCKED_MAX = 10_000;

/** As Nakadi's interface has it. */
interface FeatureState {
  readonly feature: string;
  readonly enabled: boolean;
}

/** @param by principal's id @throws settings.invalid, request.not_supported */
export async function setFeature(
  registry: Registry,
  fixed: FixedFeatures,
  { feature, enabled: isEnabled }: FeatureState,
  by: string,
): Promise<void> {
  if (Object.hasOwn(fixed, feature)) {
    const [isOnAlways, reason] = fixed[feature]!;
    if (isOnAlways === isEnabled) return;
    throw new MuaraError("request.not_supported", `${feature} is ${isOnAlways ? "on" : "off"}: ${reason}`);
  }
  if (!Object.hasOwn(FEATURES, feature)) throw invalidSetting("feature", "is none that there is");
  await change<Partial<Record<Feature, boolean>>>(registry, "features", by, (before = {}) =>
    before[feature as Feature] === isEnabled ? before : { ...before, [feature]: isEnabled },
  );
}

/** Every feature, by name. */
export function features(registry: Registry, fixed: FixedFeatures): readonly FeatureState[] {
  const own = Object.keys(FEATURES).map((feature) => ({
    feature,
    enabled: isOn(registry, feature as Feature),
  }));
  const others = Object.entries(fixed).map(([feature, [enabled]]) => ({ feature, enabled }));
  return [...own, ...others].sort((a, b) => (a.feature < b.feature ? -1 : 1));
}

export async function setAdmins(registry: Registry, admins: Grants, by: string): Promise<Grants> {
  return change<Grants>(registry, "admins", by, (before = adminsOf(registry)) =>
    JSON.stringify(before) === JSON.stringify(admins) ? before : admins,
  );
}

/** @throws settings.invalid */
export function denyKind(text: string): DenyKind {
  const kind = DENY_KINDS.find((one) => one === text);
  if (!kind) throw invalidSetting("kind", `is one of ${DENY_KINDS.join(", ")}`);
  return kind;
}

/** Puts a name on the deny-list, or takes it off. @returns whether anything changed */
export async function setBlocked(
  registry: Registry,
  kind: DenyKind,
  name: string,
  isBlocked: boolean,
  by: string,
): Promise<boolean> {
  if (name === "" || name.length > 255) throw invalidSetting("name", "must have 1 to 255 characters");
  let isChanged = false;
  await change<DenyList>(registry, "blacklist", by, (before = denyListOf(registry)) => {
    isChanged = before[kind].includes(name) !== isBlocked;
    if (!isChanged) return before;
    const names = isBlocked ? [...before[kind], name].sort() : before[kind].filter((one) => one !== name);
    if (names.length > BLOCKED_MAX)
      throw invalidSetting("name", `there are ${BLOCKED_MAX} of this kind already`);
    return { ...before, [kind]: names };
  });
  return isChanged;
}

export function invalidSetting(field: string, reason: string): MuaraError {
  return new MuaraError("settings.invalid", `${field}: ${reason}`, { details: { field } });
}

/** @param changed asked again where somebody else came first; the same object again: nothing is to change */
async function change<Value extends object>(
  registry: Registry,
  name: string,
  by: string,
  changed: (before: Value | undefined) => Value,
): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    await registry.refresh();
    const before = registry.get<Value>(SETTING, name);
    const after = changed(before?.value ?? undefined);
    if (before && after === before.value) return after;
    try {
      await registry.put<Value>(SETTING, name, before?.revision ?? 0, after, by);
      return after;
    } catch (error) {
      if (!hasCode(error, "declaration.conflict") || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}
