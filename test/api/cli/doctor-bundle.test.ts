/** The support bundle: readable by others, complete, and without any of the secrets that are planted everywhere. */
import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { zipOf } from "../../../api/cli/zip.ts";
import { temporaryFolder } from "../../services/muara.ts";
import { runCommand } from "../run-command.ts";
import { orderType, startStack, type Stack } from "../stack.ts";

/** None of them may be in the bundle, in no form. */
const PLANTED = {
  environment: "zq-env-secret-1",
  url: "zq-url-password-2",
  address: "zq@address/password-3",
  file: "zq-file-password-4",
  hook: "zqHookPath5",
  bearer: "zqBearerToken6zqBearerToken6",
  log: "zq-log-password-7",
  pem: "zqPrivateKeyBody8",
};

let stack: Stack;
let folder: string;
let remove: () => Promise<unknown>;
let token: string;
let given: string;

beforeAll(async () => {
  const made = await temporaryFolder("bundle");
  folder = made.path;
  remove = made.remove;
  stack = await startStack();
  await stack.call("POST", "/event-types", orderType("ORDER_PLACED", 1));
  token = stack.token;
  const answer = await stack.call("POST", "/v1/tokens", {
    description: `for postgres://shop:${PLANTED.log}@db/shop`,
    grants: [{ action: "admin", kind: "*", name: "*" }],
  });
  given = ((await answer.json()) as { token: string }).token;
  const config = {
    alerts: {
      externalUrl: `https://me:${PLANTED.file}@muara.example.org/x`,
      receivers: {
        chat: {
          webhook: `https://hooks.example.org/services/${PLANTED.hook}?token=${PLANTED.hook}`,
          bearer: { env: "CHAT_TOKEN" },
        },
      },
    },
  };
  await writeFile(join(folder, "muara.config.mjs"), `export default ${JSON.stringify(config)};`);
});
afterAll(async () => {
  await stack.close();
  await remove();
});

function environment(): Record<string, string> {
  return {
    MUARA_URL: stack.url,
    MUARA_DATA: stack.data,
    MUARA_TOKEN: given,
    MUARA_LAKE: `s3://lake/x?endpoint=${encodeURIComponent(`http://u:${PLANTED.url}@s3:9000`)}`,
    CHAT_TOKEN: PLANTED.bearer,
    AWS_SECRET_ACCESS_KEY: PLANTED.environment,
    DATABASE_URL: `postgres://shop:${encodeURIComponent(PLANTED.address)}@db/shop`,
    TLS_PRIVATE_KEY: `-----BEGIN PRIVATE KEY-----\n${PLANTED.pem}\n-----END PRIVATE KEY-----`,
  };
}

/** By Python's zipfile: name → text. */
async function unzipped(file: string): Promise<Record<string, string>> {
  const program =
    "import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n" +
    "print(json.dumps({n:z.read(n).decode() for n in z.namelist()}))";
  const { stdout } = await promisify(execFile)("python3", ["-c", program, file], { maxBuffer: 1 << 26 });
  return JSON.parse(stdout) as Record<string, string>;
}

describe("muara doctor --bundle", () => {
  test("has what helps, and no secret in any form, packed or unpacked", { timeout: 60_000 }, async () => {
    const file = join(folder, "bundle.zip");
    const config = join(folder, "muara.config.mjs");
    const ran = await runCommand(["doctor", "--bundle", file, "--config", config], environment());
    expect([ran.code, ran.err]).toEqual([0, expect.stringContaining("look through it")]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const bundle = await unzipped(file);
    expect(Object.keys(bundle).toSorted()).toEqual([
      "README.txt",
      "config.json",
      "disk.json",
      "doctor.json",
      "health.json",
      "jobs.json",
      "logs.jsonl",
      "metrics.txt",
      "tables.json",
      "versions.json",
    ]);
    for (const [name, text] of Object.entries(bundle)) {
      expect(text, name).not.toContain("not had");
      if (name.endsWith(".json")) JSON.parse(text);
    }
    expect(JSON.parse(bundle["health.json"]!)).toMatchObject({ status: "ready" });
    expect(JSON.parse(bundle["disk.json"]!)).toMatchObject({ free_bytes: expect.any(Number) });
    expect(bundle["metrics.txt"]).toContain("# EOF");
    expect(bundle["logs.jsonl"]!.split("\n").length).toBeGreaterThan(1);
    expect(bundle["config.json"]).toContain("https://hooks.example.org/…");
    const packed = (await readFile(file)).toString("latin1");
    const whole = [...Object.values(bundle), packed, ran.out, ran.err].join("\n");
    for (const [place, secret] of [...Object.entries(PLANTED), ["token", token], ["given", given]] as const)
      for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")])
        expect(whole.includes(form), `${place}: ${form}`).toBe(false);
  });

  test("is written also where nothing answers, and says so", { timeout: 60_000 }, async () => {
    const file = join(folder, "away.zip");
    const away = { ...environment(), MUARA_URL: "http://127.0.0.1:9" };
    const { code, out } = await runCommand(["doctor", "--bundle", file, "-o", "json"], away);
    expect(code).toBe(0);
    const checks = JSON.parse(out) as { check: string; state: string; next: string | null }[];
    expect(checks.find(({ check }) => check === "service")).toMatchObject({
      state: expect.stringMatching(/warning|failed/),
      next: expect.stringContaining("muara dev"),
    });
    expect((await unzipped(file))["metrics.txt"]).toMatch(/^not had: cannot reach/);
  });
});

describe("muara doctor", () => {
  test("names what is wrong, and the next command", { timeout: 60_000 }, async () => {
    const data = join(folder, "open");
    await mkdir(data);
    await writeFile(join(data, "token"), "muara_x\n");
    await chmod(join(data, "token"), 0o644);
    // Something else has the port, and its clock is an hour ahead.
    const other = createServer((_request, response) => {
      response.setHeader("date", new Date(Date.now() + 3_600_000).toUTCString());
      response.end("{}");
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const argv = ["doctor", "-o", "json", "--config", join(folder, "nothing.mjs")];
    const { code, out } = await runCommand(argv, { MUARA_URL: url, MUARA_DATA: data });
    other.closeAllConnections();
    other.close();
    expect(code).toBe(6);
    const checks = JSON.parse(out) as { check: string; state: string; result: string; next: string | null }[];
    const failed = checks.filter(({ state }) => state === "failed").map(({ check, next }) => [check, next]);
    expect(failed).toEqual(
      expect.arrayContaining([
        ["configuration", "muara config docs"],
        ["permissions", `chmod 600 ${join(data, "token")}`],
        ["service", expect.stringContaining("--port")],
        ["clock", expect.stringContaining("timedatectl")],
      ]),
    );
    expect(checks.find(({ check }) => check === "port")?.result).toContain("is in use");
  });
});

test("a zip is one for others, with any text and none", async () => {
  const file = join(folder, "texts.zip");
  const texts = { "a.txt": "", "b/c.txt": "übung\n".repeat(10_000), "ü.txt": "x" };
  const entries = Object.entries(texts).map(([name, text]) => ({ name, text }));
  await writeFile(file, zipOf(entries, Date.UTC(2026, 1, 3, 4, 5, 6)));
  expect(await unzipped(file)).toEqual(texts);
});
