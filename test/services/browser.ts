/** Debian's Chromium, driven as a person would: pages of a real process, in both colour schemes, judged by axe. */
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { createServer, request as forward, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import axeCore from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { BUILT, buildDashboard } from "../../api/dashboard/build.ts";

const ROOT = join(import.meta.dirname, "../..");
const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const LOOK_MS = 15_000;

export interface PageOptions {
  readonly scheme?: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
  /** Absent: nobody is signed in. */
  readonly token?: string;
}

/** The browser's program: `CHROME_PATH`, or where Debian puts it. */
export function chromiumPath(): string | undefined {
  const named = process.env["CHROME_PATH"];
  return named ?? PATHS.find((path) => existsSync(path));
}

/** Builds the dashboard where its sources are newer, and starts the browser. */
export async function launchBrowser(): Promise<Browser> {
  await buildIfStale();
  const executablePath = chromiumPath();
  if (executablePath === undefined) throw new Error("there is no Chromium here: npm run setup");
  const isRoot = process.getuid?.() === 0;
  const args = [...(isRoot ? ["--no-sandbox"] : []), "--disable-dev-shm-usage", "--force-color-profile=srgb"];
  return chromium.launch({ executablePath, args });
}

async function buildIfStale(): Promise<void> {
  const built = await stat(join(BUILT, "index.html")).catch(() => undefined);
  const sources = join(ROOT, "api/dashboard");
  const names = await readdir(sources, { recursive: true });
  const times = await Promise.all(names.map(async (name) => (await stat(join(sources, name))).mtimeMs));
  if (!built || built.mtimeMs < Math.max(...times)) await buildDashboard(BUILT);
}

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** What went wrong in the page: exceptions, refusals by its policy, requests to other hosts. */
  readonly complaints: string[];
  close(): Promise<void>;
}

/** Opens an address in a fresh session, as `muara dev` prints it: with the token behind `#`. */
export async function openPage(
  browser: Browser,
  origin: string,
  path: string,
  { scheme = "light", width = 1280, height = 900, token }: PageOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height } });
  const page = await context.newPage();
  page.setDefaultTimeout(LOOK_MS);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      complaints.push(message.text());
  });
  page.on("request", (asked) => {
    if (!asked.url().startsWith(origin) && !asked.url().startsWith("data:")) complaints.push(asked.url());
  });
  await page.goto(`${origin}${path}${token === undefined ? "" : `#token=${encodeURIComponent(token)}`}`, {
    waitUntil: "domcontentloaded",
  });
  const close = (): Promise<void> => context.close();
  return { page, complaints, close, [Symbol.asyncDispose]: close };
}

/** What axe finds, one line each. Run as the browser's own, since the page's policy lets no script in. */
export async function axe(page: Page): Promise<readonly string[]> {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axeCore.source);
  return page.evaluate(async (tags) => {
    const runner = (
      globalThis as unknown as { axe: { run: (where: Document, how: unknown) => Promise<Report> } }
    ).axe;
    interface Report {
      readonly violations: readonly {
        readonly id: string;
        readonly help: string;
        readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
      }[];
    }
    const { violations } = await runner.run(document, { runOnly: { type: "tag", values: tags } });
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 160)}: ${node.failureSummary.slice(0, 240)}`),
    );
  }, TAGS);
}

/** By how many pixels the page is wider than the window: 0 unless it scrolls sideways. */
export function overhang(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** Colours on a chart's canvas, most frequent first, as `r,g,b`; nothing of it can be seen by axe. */
export function canvasColors(page: Page, selector: string): Promise<readonly string[]> {
  return page
    .locator(selector)
    .first()
    .evaluate((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const { data } = (canvas as HTMLCanvasElement).getContext("2d")!.getImageData(0, 0, width, height);
      const counts = new Map<string, number>();
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3]! < 250) continue;
        const color = `${data[at]},${data[at + 1]},${data[at + 2]}`;
        counts.set(color, (counts.get(color) ?? 0) + 1);
      }
      return [...counts].sort((a, b) => b[1] - a[1]).map(([color]) => color);
    });
}

/** WCAG's contrast of two colours given as `r,g,b`. */
export function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light! + 0.05) / (dark! + 0.05);
}

function luminance(color: string): number {
  const [red, green, blue] = color.split(",").map((part) => {
    const share = Number(part) / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

export interface Between {
  readonly url: string;
  /** Holds each answer of the API back, ms. */
  slow(ms: number): void;
  /** Cuts every connection: the server is dead for the browser. */
  die(): void;
  revive(): void;
  close(): Promise<void>;
}

/** A way to a real server that can be slow or dead. Files of the page itself are passed on at once. */
export async function between(target: string): Promise<Between> {
  const state = { delayMs: 0, isDead: false };
  const server: Server = createServer((incoming, outgoing) => {
    const isApi = /^\/(v1|health|event-types)/.test(incoming.url ?? "");
    const pass = (): void => {
      const to = forward(
        target + incoming.url,
        { method: incoming.method!, headers: incoming.headers },
        (answer) => {
          outgoing.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(outgoing);
          answer.on("error", () => outgoing.destroy());
        },
      );
      to.on("error", () => outgoing.destroy());
      outgoing.on("close", () => to.destroy());
      incoming.pipe(to);
    };
    if (state.isDead) incoming.socket.destroy();
    else setTimeout(pass, isApi ? state.delayMs : 0);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    slow: (ms) => {
      state.delayMs = ms;
    },
    die: () => {
      state.isDead = true;
      server.closeAllConnections();
    },
    revive: () => {
      state.isDead = false;
    },
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
