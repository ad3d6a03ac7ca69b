/**
 * GET /openapi.json, /api and /errors: the description of the API, as a document and as pages. Open without a token.
 * It is made when it is asked for the first time, which takes about a tenth of a second.
 */
import type { Hono } from "hono";
import { errorPage, PAGE_POLICY } from "../../core/error-page.ts";
import { MuaraError } from "../../core/errors.ts";
import type { ApiContext, ApiEnv } from "../context.ts";

type Kind = "text/html" | "text/css" | "text/javascript";

/** @param version of this build */
export function addReferenceRoutes(app: Hono<ApiEnv>, version: string): void {
  const described = async () => (await import("../described.ts")).describedDocument(version);
  app.get("/openapi.json", async (context) => context.json(await described()));
  app.get("/api", async (context) => {
    const { referencePage } = await import("../reference-page.ts");
    return sent(context, referencePage(await described()), "text/html");
  });
  app.get("/api/:file", async (context) => {
    const { REFERENCE_SCRIPT, REFERENCE_STYLE } = await import("../reference-style.ts");
    const file = context.req.param("file");
    if (file === "reference.css") return sent(context, REFERENCE_STYLE, "text/css");
    if (file === "reference.js") return sent(context, REFERENCE_SCRIPT, "text/javascript");
    throw new MuaraError("request.not_found", "The reference has no such file.");
  });
  for (const address of ["/errors", "/errors/:code"])
    app.get(address, (context) => {
      const page = errorPage(context.req.path);
      if (page === undefined) throw new MuaraError("request.not_found", "There is no error of this code.");
      return sent(context, page, "text/html");
    });
}

function sent(context: ApiContext, body: string, kind: Kind): Response {
  return context.body(body, 200, {
    "content-type": `${kind}; charset=utf-8`,
    "content-security-policy": PAGE_POLICY,
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
  });
}
