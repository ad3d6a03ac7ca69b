/**
 * What features switch off, in one place: by method and address, before a request is answered. Nakadi answers 503, so
 * that clients try again when the maintenance is over.
 */
import { MuaraError } from "../../core/errors.ts";
import type { Registry } from "../../core/registry.ts";
import { type Feature, isOn } from "../../core/settings.ts";

interface Guard {
  readonly feature: Feature;
  readonly methods: readonly string[];
  readonly path: RegExp;
}

const WRITES = ["POST", "PUT", "PATCH", "DELETE"];
const DECLARATIONS = new RegExp(
  [
    String.raw`^/event-types(?:/[^/]+(?:/(?:schemas|partition-count|timelines))?)?$`,
    String.raw`^/subscriptions(?:/[^/]+)?$`,
    String.raw`^/storages(?:/.*)?$`,
  ].join("|"),
);
const GUARDS: readonly Guard[] = [
  {
    feature: "disable_db_write_operations",
    methods: WRITES,
    // Publishing, cursors and streams write no declaration.
    path: DECLARATIONS,
  },
  { feature: "disable_event_type_creation", methods: ["POST"], path: /^\/event-types$/ },
  { feature: "disable_event_type_deletion", methods: ["DELETE"], path: /^\/event-types\/[^/]+$/ },
  { feature: "disable_subscription_creation", methods: ["POST"], path: /^\/subscriptions$/ },
];

/** @throws feature.disabled */
export function checkFeatures(registry: Registry, { method, url }: Pick<Request, "method" | "url">): void {
  if (!WRITES.includes(method)) return;
  const path = pathOf(url);
  for (const guard of GUARDS)
    if (guard.methods.includes(method) && guard.path.test(path) && isOn(registry, guard.feature))
      throw new MuaraError("feature.disabled", `An administrator has set ${guard.feature}.`, {
        details: { feature: guard.feature },
      });
}

function pathOf(url: string): string {
  const { pathname } = new URL(url);
  return pathname.length > 1 && pathname.endsWith("/") ? pathname.slice(0, -1) : pathname;
}
