/** What every answer of the dashboard's origin allows a browser, to the letter. */
import { expect, test } from "vitest";
import { createDashboardApp, type DashboardFile, isDashboardPath } from "../../api/dashboard-app.ts";

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
      expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
      expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
      expect(headers.get("vary")).toBe("accept-encoding");
    }
  },
);

const PACKED = new Uint8Array([0x1f, 0x8b, 1, 2, 3]);
const WITH_GZIP = new Map([...BUILT, ["/assets/a.js", { ...BUILT.get("/assets/a.js")!, gzip: PACKED }]]);

test("assets are kept for ever, since their names change; the page is asked for again each time", async () => {
  const app = createDashboardApp(BUILT);
  const cached = async (path: string): Promise<string | null> =>
    (await app.request(path)).headers.get("cache-control");
  expect(await cached("/assets/a.js")).toBe("public, max-age=31536000, immutable");
  for (const path of ["/", "/jobs/x"]) expect(await cached(path)).toBe("no-cache");
  // What is not there may be there after the next start.
  expect(await cached("/assets/b.js")).toBeNull();
});

test.each([
  ["gzip", true],
  ["br, GZIP;q=0.5", true],
  ["gzip ; q=1", true],
  ["br, *", false],
  ["gzip;q=0", false],
  ["gzip; q=0.000, br", false],
  ["x-gzipped", false],
  ["", false],
])("accept-encoding %j takes what is compressed: %s", async (accepted, isPacked) => {
  const app = createDashboardApp(WITH_GZIP);
  const answer = await app.request("/assets/a.js", { headers: { "accept-encoding": accepted } });
  expect([answer.headers.get("content-encoding"), answer.headers.get("etag")]).toEqual(
    isPacked ? ["gzip", 'W/"10"'] : [null, '"10"'],
  );
  const bytes = new Uint8Array(await answer.arrayBuffer());
  expect(bytes).toEqual(isPacked ? PACKED : BUILT.get("/assets/a.js")!.bytes);
  expect(answer.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
});

test("a file without a compressed one is sent as it is", async () => {
  const answer = await createDashboardApp(BUILT).request("/", { headers: { "accept-encoding": "gzip" } });
  expect([answer.headers.get("content-encoding"), await answer.text()]).toEqual([null, "<!doctype html>"]);
});

test.each([
  ['"10"', 304],
  ['W/"10"', 304],
  ['"9", W/"10"', 304],
  ['"9"', 200],
  ["10", 200],
])("if-none-match %s is answered %i", async (known, status) => {
  const answer = await createDashboardApp(WITH_GZIP).request("/assets/a.js", {
    headers: { "if-none-match": known },
  });
  expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([status, status === 304 ? 0 : 10]);
});

test.each([
  "/assets/..%2findex.html",
  "/assets/%2e%2e%2findex.html",
  "/assets/a.js%00",
  "/assets/../../etc/passwd",
])("%s leads to no other file", async (path) => {
  const answer = await createDashboardApp(BUILT).request(path);
  expect(await answer.text()).toMatch(/^(There is no such asset\.\n|<!doctype html>)$/);
});

test.each([
  ["/", true],
  ["/jobs/x", true],
  ["/assets/a.js", true],
  ["/assets", false],
  ["/v1/jobs", false],
  ["/jobs/x/y", false],
  ["/jobs/", false],
  ["/jobs/%zz", false],
])("%s is the dashboard's: %s", (path, isOwn) => {
  expect(isDashboardPath(path)).toBe(isOwn);
});
