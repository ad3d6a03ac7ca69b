/** GET /v1/cases/{case_id}: one case of a process, for whoever may read all tables of the process as a whole. */
import type { Hono } from "hono";
import { MuaraError } from "../../core/errors.ts";
import type { Process } from "../../core/process.ts";
import { caseView } from "../case-view.ts";
import type { ApiContext, ApiEnv, ApiPorts } from "../context.ts";
import { readableProcess, readableProcesses } from "../processes.ts";

const ID_LENGTH_MAX = 1_024;

export function addCaseRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/cases/:case_id", async (context) => {
    const caseId = context.req.param("case_id");
    if (caseId.length > ID_LENGTH_MAX)
      throw new MuaraError("request.malformed", `A case's id has at most ${ID_LENGTH_MAX} characters.`);
    const { declaration } = await processOf(ports, context);
    const view = await caseView(ports, context.get("principal"), declaration, caseId, context.req.raw.signal);
    if (view) return context.json(view);
    throw new MuaraError(
      "case.not_found",
      `No event of the process "${declaration.name}" names case "${caseId}".`,
    );
  });
}

/** @throws process.not_found; request.malformed where none is named and there is not just one */
export async function processOf(ports: ApiPorts, context: ApiContext): Promise<Process> {
  const name = context.req.query("process");
  const principal = context.get("principal");
  if (name !== undefined) return (await readableProcess(ports, principal, name)).value;
  const all = await readableProcesses(ports, principal);
  if (all.length === 1) return all[0]!;
  const known = all.map(({ declaration }) => declaration.name).join(", ");
  throw new MuaraError("request.malformed", `process: name one${known === "" ? "" : ` of ${known}`}.`, {
    details: { parameter: "process" },
  });
}
