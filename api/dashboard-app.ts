/**
 * The dashboard's files over HTTP: open without a token, since they hold nothing of anybody; what they show comes
 * from the API with the token of whoever looks. Nothing but these files can run in the page (Content-Security-Policy).
 */
import { Hono, type Context } from "hono";
import { matchPage } from "./dashboard/addresses.ts";

/** One built file. */
export interface DashboardFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same, compressed. */
  readonly gzip?: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
  /** Of the uncompressed bytes, quoted. */
  readonly etag: string;
}
/** By path below the origin: `/index.html`, `/assets/…`. */
export type DashboardFiles = ReadonlyMap<string, DashboardFile>;

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  vary: "accept-encoding",
};
/** Names of assets change with their content. */
const FOREVER = "public, max-age=31536000, immutable";

/** Whether an address is the dashboard's, on the origin that it shares with the door and the read side. */
export function isDashboardPath(path: string): boolean {
  return path.startsWith("/assets/") || matchPage(path) !== undefined;
}

export function createDashboardApp(files: DashboardFiles): Hono {
  const app = new Hono();
  app.get("/assets/:name", (context) => {
    const file = files.get(`/assets/${context.req.param("name")}`);
    return file ? send(context, file, FOREVER) : context.text("There is no such asset.\n", 404, HEADERS);
  });
  app.get("*", (context) => {
    const page = files.get("/index.html");
    return page ? send(context, page, "no-cache") : context.text(NOT_BUILT, 503, HEADERS);
  });
  return app;
}

const NOT_BUILT = "The dashboard is not built: npm run dashboard, then start again.\n";

function send({ req }: Context, file: DashboardFile, caching: string): Response {
  const headers: Record<string, string> = { ...HEADERS, "cache-control": caching, etag: file.etag };
  const known = req.header("if-none-match")?.split(",");
  if (known?.some((one) => one.trim().replace(/^W\//, "") === file.etag))
    return new Response(null, { status: 304, headers });
  headers["content-type"] = file.contentType;
  if (file.gzip === undefined || !takesGzip(req.header("accept-encoding") ?? ""))
    return new Response(file.bytes, { headers });
  // The same name with other bytes: by HTTP only a weak tag may be shared.
  return new Response(file.gzip, {
    headers: { ...headers, etag: `W/${file.etag}`, "content-encoding": "gzip" },
  });
}

/** By RFC 9110 §12.5.3: a weight of 0 says no. */
function takesGzip(accepted: string): boolean {
  const one = accepted.split(",").map((part) =>
    part
      .trim()
      .toLowerCase()
      .split(/\s*;\s*q=/),
  );
  const weight = one.find(([coding]) => coding === "gzip")?.[1] ?? "1";
  return one.some(([coding]) => coding === "gzip") && Number(weight) > 0;
}
