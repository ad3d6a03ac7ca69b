/** The worker of rules, with query processes of its own: a rule takes no slot from anybody who asks. */
import type { Principal } from "../../core/authorize.ts";
import { EVERYTHING } from "../../core/authorize.ts";
import type { Config } from "../../core/config.ts";
import type { DeclaredRunsPorts } from "../../core/declared-runs.ts";
import type { Roles } from "../../core/role.ts";
import type { Rule } from "../../core/rule.ts";
import type { Authenticator } from "../../core/token.ts";
import { checkDeclared } from "../../lake/query/check-grants.ts";
import type { FileCache } from "../../lake/query/file-cache.ts";
import { createQueryService } from "../../lake/query/service.ts";
import { openReceivers, type OpenNotifier } from "./receivers.ts";
import type { RulePorts } from "./rule-loop.ts";
import { createRuleWorker, type RuleWorker } from "./worker.ts";

export interface OpenAlertsPorts extends Omit<RulePorts, "query" | "principalOf">, DeclaredRunsPorts {
  readonly config: Config;
  readonly cache: FileCache | undefined;
  /** null: everybody may do everything. */
  readonly authenticator: Authenticator | null;
  readonly roles: Roles;
  readonly openNotifier: OpenNotifier;
}

export interface OpenAlerts {
  readonly worker: RuleWorker;
  /** Ends queries that run. */
  readonly close: () => Promise<void>;
}

/** @throws config.invalid */
export async function openAlerts(ports: OpenAlertsPorts): Promise<OpenAlerts> {
  const { config, authenticator, roles, openNotifier } = ports;
  const { alerts } = config;
  const { concurrency, timeoutMs, receivers, resendMs } = alerts;
  const query = createQueryService({
    ...ports,
    options: { ...config.query, concurrency, timeoutMs, warm: 0 },
  });
  await checkDeclared(config, ports.catalog, query);
  const made = createRuleWorker(
    {
      ...ports,
      query,
      principalOf: (rule) => principalOf(rule, authenticator, roles),
      openReceivers: (rule) => openReceivers(rule.receivers, receivers, openNotifier, resendMs),
    },
    alerts,
  );
  const over = new AbortController();
  const worker: RuleWorker = {
    run: (signal) => made.run(AbortSignal.any([signal, over.signal])),
    samples: () => made.samples(),
  };
  const close = async (): Promise<void> => {
    over.abort();
    await query.close();
  };
  return { worker, close };
}

/** A token's rights are those that it has now; of an issuer's principal those that its roles give now. */
function principalOf({ owner }: Rule, authenticator: Authenticator | null, roles: Roles): Principal {
  if (!authenticator) return { id: owner.id, grants: EVERYTHING };
  if (owner.roles === undefined || owner.id.startsWith("token:")) return authenticator.recall(owner.id);
  return { ...owner, grants: roles.grantsOf(owner.roles) };
}
