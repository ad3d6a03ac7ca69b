/** The small parts of sharing: pages, addresses of files, formats, and what a configuration may say. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import { EVERYTHING, type Principal } from "../../../core/authorize.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { resolveConfig, type Config } from "../../../core/config.ts";
import { Registry } from "../../../core/registry.ts";
import { isFileOf } from "../../../core/share.ts";
import { createShareDirectory } from "../../../lake/share/directory.ts";
import { signAddress, verifyAddress, type FileAddress } from "../../../lake/share/file-address.ts";
import { negotiateFormat } from "../../../lake/share/format.ts";
import { pageOf } from "../../../lake/share/page.ts";
import { signingKey } from "../../../lake/share/signing-key.ts";

const registry = async (): Promise<Registry> => {
  const services = { clock: new ManualClock(0), randomness: seededRandomness(1) };
  return Registry.open(createMemoryLog(services), "test", services.clock);
};

describe("pages", () => {
  const items = ["a", "b", "c", "d", "e"];
  const page = (maxResults?: string, pageToken?: string, itemsMax = 100) =>
    pageOf(items, (item) => item, { maxResults, pageToken }, itemsMax);

  test("every item once, whatever the size of a page", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 }), (wanted, itemsMax) => {
        const seen: string[] = [];
        let token: string | undefined;
        do {
          const found = page(String(wanted), token, itemsMax);
          expect(found.items.length).toBeLessThanOrEqual(Math.min(wanted, itemsMax));
          seen.push(...found.items);
          token = found.nextPageToken;
        } while (token !== undefined);
        expect(seen).toEqual(items);
      }),
    );
  });

  test("a page of exactly all items is the last one", () => {
    expect(page("5")).toEqual({ items });
    expect(page("4").nextPageToken).toBeDefined();
    expect(page(undefined, undefined, 5)).toEqual({ items });
    expect(page("0")).toMatchObject({ items: [] });
    expect(page("0", page("2").nextPageToken).nextPageToken).toBe(page("2").nextPageToken);
  });

  test("what comes or goes in between neither repeats nor hides others", () => {
    const { nextPageToken } = page("2");
    const later = pageOf(
      ["a", "aa", "c", "d"],
      (item) => item,
      { maxResults: "9", pageToken: nextPageToken },
      9,
    );
    expect(later.items).toEqual(["c", "d"]);
  });

  test.each([
    ["-1", undefined],
    ["x", undefined],
    ["1e3", undefined],
    ["9999999999999999", undefined],
    ["1", "x"],
    ["1", Buffer.from("2:b").toString("base64url")],
    ["1", `${page("2").nextPageToken!}=`],
    ["1", "y".repeat(2_000)],
  ])("maxResults %s with token %s is refused", (maxResults, token) => {
    expect(() => page(maxResults, token)).toThrow(expect.objectContaining({ code: "request.malformed" }));
  });
});

describe("addresses of files", () => {
  const key = new Uint8Array(32).fill(7);
  const address: FileAddress = {
    share: "sales",
    schema: "shop",
    table: "orders",
    version: 12,
    path: "ingest_date=2026-01-01/part-1.parquet",
    expiresMs: 5_000,
    principal: "token:abc",
  };
  const verify = (text: string, nowMs = 4_999, withKey = key): FileAddress => {
    const url = new URL(text, "http://x");
    const [share, schema, table, version, file] = url.pathname.split("/").slice(3).map(decodeURIComponent);
    return verifyAddress(
      withKey,
      { share: share!, schema: schema!, table: table!, version: version!, file: file! },
      (name) => url.searchParams.get(name) ?? undefined,
      nowMs,
    );
  };
  const refused = expect.objectContaining({ code: "share.file_refused" });

  test("say what was signed, until they expire", () => {
    expect(verify(signAddress(key, address))).toEqual(address);
    expect(signAddress(key, address)).toMatch(/\.parquet\?.*X-Amz-Signature=[0-9a-f]{64}$/);
    expect(() => verify(signAddress(key, address), 5_000)).toThrow(refused);
  });

  test("nothing in them can be changed", () => {
    const text = signAddress(key, address);
    const others = [
      { share: "Sales" },
      { schema: "other" },
      { table: "other" },
      { version: 13 },
      { path: "ingest_date=2026-01-01/part-2.parquet" },
      { expiresMs: 6_000 },
      { principal: "token:abd" },
    ];
    const signature = new URL(text, "http://x").searchParams.get("X-Amz-Signature")!;
    for (const other of others) {
      const forged = signAddress(key, { ...address, ...other }).replace(
        /Signature=\w+/,
        `Signature=${signature}`,
      );
      expect(() => verify(forged), JSON.stringify(other)).toThrow(refused);
    }
    expect(() => verify(text, 0, new Uint8Array(32).fill(8))).toThrow(refused);
    expect(() => verify(text.replace(/&X-Amz.*/, ""))).toThrow(refused);
    expect(() => verify(`${text}00`)).toThrow(refused);
    expect(() => verify(text.replace("expires=5000", "expires=5000.0"))).toThrow(refused);
  });

  test("all processes of one log sign with one key", async () => {
    const clock = new ManualClock(0);
    const log = createMemoryLog({ clock, randomness: seededRandomness(1) });
    const open = (writer: string): Promise<Registry> => Registry.open(log, writer, clock);
    const [a, b] = await Promise.all([open("a"), open("b")]);
    const keys = await Promise.all([signingKey(a), signingKey(b), signingKey(a)]);
    expect(keys[0]).toHaveLength(32);
    expect(keys[1]).toEqual(keys[0]);
    expect(keys[2]).toEqual(keys[0]);
    expect(await signingKey(await open("c"))).toEqual(keys[0]);
  });
});

test.each([
  [undefined, "parquet"],
  ["", "parquet"],
  ["responseformat=parquet", "parquet"],
  ["responseformat=delta", "delta"],
  ["ResponseFormat=Delta;ReaderFeatures=deletionvectors", "delta"],
  ["readerfeatures=deletionvectors; responseformat = delta ", "delta"],
  ["responseformat=delta,parquet;readerfeatures=deletionvectors", "parquet"],
  ["responseformat=arrow", "parquet"],
  ["xresponseformat=delta", "parquet"],
])("capabilities %s get %s", (header, format) => {
  expect(negotiateFormat(header)).toBe(format);
});

describe("shares of the configuration", () => {
  const everything: Principal = { id: "all", grants: EVERYTHING };

  test("have names by default, and are seen by those who may", async () => {
    const shares = config({
      sales: { tables: { "order.created": { as: "shop.orders", history: true }, "parcel-sent": {} } },
      other: { tables: { books: {} } },
    });
    const directory = createShareDirectory(await registry(), shares);
    expect((await directory.list(everything)).map(({ name }) => name)).toEqual(["other", "sales"]);
    const recipient: Principal = { id: "r", grants: [{ action: "read", kind: "share", name: "sales" }] };
    expect((await directory.list(recipient)).map(({ name }) => name)).toEqual(["sales"]);
    expect(await directory.table(recipient, "SALES", "Shop", "ORDERS")).toMatchObject({
      table: "order.created",
      hasHistory: true,
    });
    expect(await directory.table(recipient, "sales", "default", "parcel_sent")).toMatchObject({
      hasHistory: false,
    });
    const notFound = expect.objectContaining({ code: "share.not_found" });
    await expect(directory.table(recipient, "other", "default", "books")).rejects.toEqual(notFound);
    await expect(directory.table(recipient, "sales", "shop", "books")).rejects.toEqual(notFound);
    const shared = await directory.table(recipient, "sales", "default", "parcel_sent");
    expect(isFileOf(shared, "parcel-sent/day=1/part-1.parquet")).toBe(true);
    expect(isFileOf(shared, "parcel-sent2/day=1/part-1.parquet")).toBe(false);
    expect(isFileOf({ ...shared, table: "parcel_sent" }, "parcel-sent/part-1.parquet")).toBe(true);
    const reader: Principal = { id: "t", grants: [{ action: "read", kind: "table", name: "*" }] };
    expect(await directory.list(reader)).toEqual([]);
  });

  test.each<[string, unknown]>([
    ["a dot in its name", { "a.b": { tables: {} } }],
    ["an unknown key", { a: { table: {} } }],
    ["a table with a name of one part", { a: { tables: { t: { as: "orders" } } } }],
    ["a table with a name of three parts", { a: { tables: { t: { as: "a.b.c" } } } }],
  ])("with %s is refused", (_what, shares) => {
    expect(() => config(shares)).toThrow(expect.objectContaining({ code: "config.invalid" }));
  });

  test("two tables under one name, or two shares, are refused", async () => {
    const twice = { a: { tables: { t: { as: "x.y" }, u: { as: "X.Y" } } } };
    const log = await registry();
    const invalid = expect.objectContaining({ code: "config.invalid" });
    expect(() => createShareDirectory(log, config(twice))).toThrow(invalid);
    expect(() => createShareDirectory(log, config({ a: { tables: {} }, A: { tables: {} } }))).toThrow(
      invalid,
    );
  });
});

function config(shares: unknown): Config["shares"] {
  return resolveConfig({ environment: {}, file: { shares } as never }).config.shares;
}
