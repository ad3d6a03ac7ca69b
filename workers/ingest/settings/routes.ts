/** Nakadi's `/settings`: administrators, the deny-list and features. Who may administer the system changes them. */
import { z } from "zod";
import { authorize } from "../../../core/authorize.ts";
import { answerHeaders, jsonResponse } from "../../../core/http.ts";
import type { Logger } from "../../../core/logger.ts";
import { grantsSchema } from "../../../core/event-type.ts";
import type { Audit } from "../../../core/ports/audit.ts";
import type { Registry } from "../../../core/registry.ts";
import { adminsOf, type DenyList, denyListOf, fixedFeatures } from "../../../core/settings.ts";
import type { Call, RoutePart } from "../call.ts";
import { systemResource } from "../rights.ts";
import { denyKind, features, invalidSetting, setAdmins, setBlocked, setFeature } from "./change-settings.ts";

const featureSchema = z.object({ feature: z.string().max(255), enabled: z.boolean() });

export interface SettingsPorts {
  readonly registry: Registry;
  readonly logger: Logger;
  readonly audit?: Audit | undefined;
}

export function settingsRoutes({ registry, logger, audit }: SettingsPorts): RoutePart {
  const fixed = fixedFeatures(audit !== undefined);
  const administered = async (call: Call): Promise<void> => {
    authorize(call.principal, "admin", systemResource(registry, "settings"));
    await registry.refresh();
  };
  const note = ({ principal, flowId }: Call, what: Readonly<Record<string, unknown>>): void =>
    logger.info("settings changed", { ...what, by: principal.id, flow_id: flowId });
  const block = async (call: Call, isBlocked: boolean): Promise<Response> => {
    await administered(call);
    const kind = denyKind(call.param("kind"));
    const name = call.param("name");
    if (await setBlocked(registry, kind, name, isBlocked, call.principal.id))
      note(call, { denyList: kind, name, isBlocked });
    return changed(call);
  };
  return ({ on, refuseOthers }) => {
    on("GET", "/settings/features", async (call) => {
      await administered(call);
      return jsonResponse({ items: features(registry, fixed) }, 200, call.flowId);
    });
    on("POST", "/settings/features", async (call) => {
      await administered(call);
      const wanted = parse(featureSchema, await call.json());
      await setFeature(registry, fixed, wanted, call.principal.id);
      note(call, wanted);
      return changed(call);
    });
    refuseOthers("/settings/features", "GET, HEAD, POST");
    on("GET", "/settings/admins", async (call) => {
      await administered(call);
      return jsonResponse(adminsOf(registry), 200, call.flowId);
    });
    on("POST", "/settings/admins", async (call) => {
      await administered(call);
      const admins = await setAdmins(registry, parse(grantsSchema, await call.json()), call.principal.id);
      note(call, { admins });
      return jsonResponse(admins, 200, call.flowId);
    });
    refuseOthers("/settings/admins", "GET, HEAD, POST");
    on("GET", "/settings/blacklist", async (call) => {
      await administered(call);
      return jsonResponse(shown(denyListOf(registry)), 200, call.flowId);
    });
    refuseOthers("/settings/blacklist", "GET, HEAD");
    on("PUT", "/settings/blacklist/:kind/:name", (call) => block(call, true));
    on("DELETE", "/settings/blacklist/:kind/:name", (call) => block(call, false));
    refuseOthers("/settings/blacklist/:kind/:name", "PUT, DELETE");
  };
}

function changed({ flowId }: Call): Response {
  return new Response(null, { status: 204, headers: answerHeaders(flowId) });
}

/** As Nakadi shows it. */
function shown(denyList: DenyList): unknown {
  return {
    consumers: { apps: denyList.CONSUMER_APP, event_types: denyList.CONSUMER_ET },
    producers: { apps: denyList.PRODUCER_APP, event_types: denyList.PRODUCER_ET },
  };
}

/** @throws settings.invalid */
function parse<Output>(schema: z.ZodType<Output>, body: unknown): Output {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw invalidSetting(issue.path.map(String).join(".") || "(body)", issue.message);
}
