/** What the OpenAPI document says of what describes the API: the document, the reference page, pages of errors. */
import { type Json, path, problem, text } from "./openapi-parts.ts";

const html = { "text/html": { schema: text } };

function page(operationId: string, summary: string, content: Json, parameters: readonly Json[] = []): Json {
  const found = { "200": { description: "The page.", content } };
  const responses = parameters.length === 0 ? found : { ...found, default: problem() };
  return { operationId, summary, security: [], parameters, responses };
}

export const REFERENCE_PATHS: Json = {
  "/openapi.json": {
    get: page("openapi", "This document", { "application/json": { schema: { type: "object" } } }),
  },
  "/api": { get: page("reference", "This document as a page to read", html) },
  "/api/{file}": {
    get: page(
      "referenceFile",
      "Style and script of that page",
      { "text/css": { schema: text }, "text/javascript": { schema: text } },
      [path("file")],
    ),
  },
  "/errors": { get: page("listErrors", "Every code of a problem, and what to do", html) },
  "/errors/{code}": {
    get: page("showError", "One code: where the `type` of a problem leads", html, [path("code")]),
  },
};
