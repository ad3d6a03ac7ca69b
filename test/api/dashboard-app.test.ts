/** What every answer of the dashboard's origin allows a browser, to the letter. */
import { expect, test } from "vitest";
import { createDashboardApp, type DashboardFile } from "../../api/dashboard-app.ts";

const file = (text: string, contentType: string): DashboardFile => ({
  bytes: new Uint8Array(Buffer.from(text)),
  contentType,
  etag: `"${text.length}"`,
});
const BUILT = new Map([
  ["/index.html", file("<!doctype html>", "text/html; charset=utf-8")],
  ["/assets/a.js", file("export {};", "text/javascript; charset=utf-8")],
]);

const ALLOWED = {
  "default-src": ["'none'"],
  "script-src": ["'self'"],
  "style-src": ["'self'"],
  "img-src": ["'self'", "data:", "blob:"],
  "connect-src": ["'self'"],
  "worker-src": ["'self'"],
  "base-uri": ["'none'"],
  "form-action": ["'none'"],
  "frame-ancestors": ["'none'"],
};

test.each([
  ["the page", BUILT, "/jobs/x", 200],
  ["an asset", BUILT, "/assets/a.js", 200],
  ["an asset that is not there", BUILT, "/assets/b.js", 404],
  ["a dashboard that is not built", new Map(), "/", 503],
])(
  "%s runs and reaches nothing but this origin, and stands in no other page",
  async (_, files, path, status) => {
    const app = createDashboardApp(files);
    const answer = await app.request(path);
    expect(answer.status).toBe(status);
    const etag = answer.headers.get("etag");
    const answers = [
      answer,
      ...(etag ? [await app.request(path, { headers: { "if-none-match": etag } })] : []),
    ];
    expect(answers.map((one) => one.status)).toEqual(etag ? [status, 304] : [status]);
    for (const { headers } of answers) {
      const policy = headers.get("content-security-policy")!.split(/\s*;\s*/);
      expect(
        Object.fromEntries(policy.map((part) => [part.split(" ")[0], part.split(" ").slice(1)])),
      ).toEqual(ALLOWED);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
    }
  },
);
