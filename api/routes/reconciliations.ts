/**
 * GET, POST /v1/captures/{name}/reconciliations: proof that a capture's source and the lake have the same rows. It
 * takes as long as reading the tables does, so the answer is told line by line; the last line is the whole report.
 */
import type { Hono } from "hono";
import { z } from "zod";
import { type Capture, tableName } from "../../core/capture.ts";
import { eventTypeNames } from "../../core/capture-names.ts";
import { MuaraError } from "../../core/errors.ts";
import { toProblem } from "../../core/problem.ts";
import {
  KEPT_MAX,
  type KeptReconciliation,
  NAMED_DEFAULT,
  NAMED_MAX,
  type Reconciliation,
} from "../../core/reconciliation.ts";
import { mayReadWhole } from "../../lake/query/part.ts";
import { shownProgress, shownReconciliation } from "../reconciliation-answer.ts";
import { type ApiContext, type ApiEnv, type ApiPorts, demand } from "../context.ts";
import { readBody } from "../read-body.ts";

const PATH = "/v1/captures/:name/reconciliations";
const KIND = "reconciliation";
const WAIT_MS_DEFAULT = 60_000;
const WAIT_MS_MAX = 3_600_000;

export const reconciliationRequestSchema = z.strictObject({
  tables: z.array(tableName).min(1).max(1_000).optional(),
  /** Differences that are named, per table. */
  named: z.int().min(0).max(NAMED_MAX).default(NAMED_DEFAULT),
  /** How long the source, the capture and landing are waited for, ms. */
  wait_ms: z.int().min(0).max(WAIT_MS_MAX).default(WAIT_MS_DEFAULT),
});

export function addReconciliationRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const { registry, reconcile } = ports;
  const nameOf = async (context: ApiContext): Promise<string> => {
    const name = context.req.param("name")!;
    demand(context, "admin", { kind: "capture", name });
    await registry.refresh();
    if (registry.get<Capture>("capture", name)) return name;
    throw new MuaraError("capture.not_found", `There is no capture "${name}".`, { details: { name } });
  };

  app.get(PATH, async (context) => {
    const name = await nameOf(context);
    const kept = registry.get<readonly KeptReconciliation[]>(KIND, name)?.value ?? [];
    return context.json({ items: kept.map(shownReconciliation) });
  });
  app.post(PATH, async (context) => {
    const capture = await nameOf(context);
    const request = await readBody(context, reconciliationRequestSchema);
    if (!reconcile) throw new MuaraError("request.not_found", "This process reconciles nothing.");
    if (request.named > 0)
      demandRows(context, registry.get<Capture>("capture", capture)!.value!, request.tables);
    const gone = new AbortController();
    const lines = new Lines(() => gone.abort());
    const signal = AbortSignal.any([context.req.raw.signal, gone.signal]);
    const wanted = { capture, tables: request.tables, named: request.named, waitMs: request.wait_ms };
    const by = context.get("principal").id;
    const run = async (): Promise<void> => {
      const report = await reconcile(wanted, (progress) => lines.write(shownProgress(progress)), signal);
      await keep(ports, report, by);
      lines.end({ at: "report", ...shownReconciliation(report) });
    };
    const done = run();
    // What is wrong from the start is an error like any other.
    await Promise.race([lines.begun, done]);
    done.catch((error: unknown) => lines.end({ at: "failed", problem: toProblem(error) }));
    return new Response(lines.body, { headers: { "content-type": "application/x-ndjson" } });
  });
}

/** Differences are rows. @throws auth.forbidden */
function demandRows(context: ApiContext, capture: Capture, wanted?: readonly string[]): void {
  const principal = context.get("principal");
  for (const [table, eventType] of eventTypeNames(capture)) {
    if (wanted?.includes(table) === false || mayReadWhole(principal, eventType)) continue;
    throw new MuaraError(
      "auth.forbidden",
      `Differences name rows of "${eventType}", which ${principal.id} may not read: ask for none ("named": 0).`,
    );
  }
}

/** Without values of rows: these are told to who asked and to nobody else. */
async function keep({ registry }: ApiPorts, report: Reconciliation, by: string): Promise<void> {
  const before = registry.get<readonly KeptReconciliation[]>(KIND, report.capture);
  const tables = report.tables.map((table) => ({ ...table, differences: undefined }));
  const kept = [{ ...report, tables, by }, ...(before?.value ?? [])].slice(0, KEPT_MAX);
  await registry.put(KIND, report.capture, before?.revision ?? 0, kept, by);
}

/** Lines of JSON, as they come. */
class Lines {
  readonly body: ReadableStream<Uint8Array>;
  /** When the first line is there. */
  readonly begun: Promise<void>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #begin: () => void = () => {};
  readonly #encoder = new TextEncoder();

  constructor(onCancel: () => void) {
    this.begun = new Promise((begin) => (this.#begin = begin));
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => {
        this.#controller = undefined;
        onCancel();
      },
    });
  }

  write(line: object): void {
    this.#controller?.enqueue(this.#encoder.encode(`${JSON.stringify(line)}\n`));
    this.#begin();
  }

  end(line: object): void {
    this.write(line);
    this.#controller?.close();
    this.#controller = undefined;
  }
}
