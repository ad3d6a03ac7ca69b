/** What a file of browser tests begins with: a browser, something with data, and the same with nothing in it. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { startStack, type Stack } from "../api/stack.ts";
import { launchBrowser } from "../services/browser.ts";
import { startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";
import { seededLake } from "./seeded-lake.ts";

/** Filled before the first test, closed after the last one. */
export interface Lakes<Server> {
  readonly browser: Browser;
  readonly full: Server;
  readonly empty: Server;
}

type Opening<Server> = { -readonly [Key in keyof Lakes<Server>]: Lakes<Server>[Key] };

/** The seeded shop beside an empty lake, both in this process. */
export function useStacks(hasExtract = false): Lakes<Stack> {
  const lakes = {} as Opening<Stack>;
  beforeAll(async () => {
    // First what may build the pages: a server reads them once.
    lakes.browser = await launchBrowser();
    [lakes.full, lakes.empty] = await Promise.all([
      seededLake(hasExtract),
      startStack(undefined, { query: { namespace: "off" } }),
    ]);
  });
  afterAll(async () => {
    await lakes.browser?.close();
    await Promise.all([lakes.full?.close(), lakes.empty?.close()]);
  });
  return lakes;
}

/**
 * Two processes, one of which is filled.
 * @param environment of the one that is filled, beside what lets both land soon
 */
export function useProcesses(
  name: string,
  environment: Record<string, string>,
  fill: () => Promise<void>,
): Lakes<MuaraProcess> {
  const lakes = {} as Opening<MuaraProcess>;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder(name);
    const soon = { MUARA_LAND_COMMIT_MS: "100", MUARA_LAND_PROJECT_MS: "100" };
    lakes.browser = await launchBrowser();
    [lakes.full, lakes.empty] = await Promise.all([
      startMuara(`${folder.path}/full`, { ...soon, ...environment }),
      startMuara(`${folder.path}/empty`, soon),
    ]);
    await fill();
  });
  afterAll(async () => {
    await lakes.browser?.close();
    await Promise.all([lakes.full?.stop(), lakes.empty?.stop()]);
    await folder?.remove();
  });
  return lakes;
}
