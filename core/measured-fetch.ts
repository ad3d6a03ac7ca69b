/** Counts and times answers by the face that they are of. Never by path: somebody else chooses that. */
import type { Clock } from "./clock.ts";
import type { Measures } from "./measures.ts";

type Fetch = (request: Request) => Response | Promise<Response>;

export function measuredFetch(
  fetch: Fetch,
  isDoorPath: ((path: string) => boolean) | undefined,
  measures: Measures,
  clock: Clock,
): Fetch {
  return async (request) => {
    const startMs = clock.monotonicMs();
    const response = await fetch(request);
    const face = faceOf(new URL(request.url).pathname, isDoorPath);
    measures.count("muara_http_requests", { face, status: String(response.status) });
    measures.observe("muara_http_request_seconds", (clock.monotonicMs() - startMs) / 1_000, { face });
    return response;
  };
}

export function faceOf(path: string, isDoorPath: ((path: string) => boolean) | undefined): string {
  if (path === "/metrics" || path === "/health" || path.startsWith("/health/")) return "operations";
  if (isDoorPath?.(path)) return "door";
  if (path.startsWith("/delta-sharing/")) return "sharing";
  return path.startsWith("/v1/") ? "api" : "pages";
}
