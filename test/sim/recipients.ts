/**
 * Shares and rights: one who grants and revokes, and recipients who ask by the code of the share routes (registry,
 * token, directory, reader, signed addresses) and hold on to the addresses that they were given. What a right did
 * not cover at any moment of a request is never in its answer, and a file whose address is still good is there.
 */
import assert from "node:assert/strict";
import { type Grant, readRight } from "../../core/authorize.ts";
import { hasCode } from "../../core/errors.ts";
import { silentLogger } from "../../core/logger.ts";
import { Registry } from "../../core/registry.ts";
import { type DeclaredShare, isFileOf } from "../../core/share.ts";
import { Authenticator, type DeclaredToken } from "../../core/token.ts";
import { changesOf } from "../../lake/share/changes.ts";
import { createShareDirectory } from "../../lake/share/directory.ts";
import { FILES_ROUTE, verifyAddress } from "../../lake/share/file-address.ts";
import { ShareReader, type ShareReaderPorts, type ShareReading } from "../../lake/share/reader.ts";
import { signingKey } from "../../lake/share/signing-key.ts";
import { below, pick } from "./events.ts";
import { catalogOf } from "./extractor.ts";
import { forgive, Helper, type Machine } from "./helpers.ts";
import type { Rights } from "./rights.ts";
import { OUTSIDE, type World } from "./world.ts";

export const SHARE = "out";
const SCHEMA = "s";
const TOKEN = "0123456789ab";
const PRINCIPAL = `token:${TOKEN}`;
const COLUMNS = ["event_id", "n", "k"];
const ADDRESS = new RegExp(
  `^${FILES_ROUTE}/(?<share>[^/]+)/(?<schema>[^/]+)/(?<table>[^/]+)/(?<version>\\d+)/(?<file>[^?]+)\\?(?<query>.*)$`,
);

/** Tables are shared whole: parts of them are DuckDB's work, which no seed decides. */
const NO_QUERIES: ShareReaderPorts["query"] = {
  copyParts: () => assert.fail("no part is shared"),
  judgeConditions: () => assert.fail("no part is shared"),
};
const PARTS = { partWaitMs: 0, partMs: 0, partsAtOnce: 1, partReadBytes: 0, partsBytes: 0, partsHours: 1 };

/** Gives rights and takes them away. It is never killed: what it began would have no end that anybody knows. */
export async function grantAndRevoke(world: World, isOver: () => boolean): Promise<void> {
  const { random, scheduler, rights } = world;
  const clock = world.outsideServices().clock;
  const registry = await Registry.open(rights.log, "granter", clock);
  while (!isOver()) {
    const tables = Object.fromEntries(
      world.types.map(({ name }) => [
        name,
        { as: `${SCHEMA}.${name.replace(".", "_")}`, history: true, granted: false },
      ]),
    );
    const share: DeclaredShare = { description: "", tables };
    const declaredShare = registry.get("share", SHARE);
    const stored = { name: SHARE, share, by: "granter", createdMs: clock.nowMs() };
    await registry.put("share", SHARE, declaredShare?.revision ?? 0, stored);
    const next: Rights = {
      isShared: random.fraction() < 0.6,
      columns: COLUMNS.filter(() => random.fraction() < 0.5),
    };
    rights.begin(next);
    await scheduler.wait(OUTSIDE, 0);
    const revision = registry.get("token", TOKEN)?.revision ?? 0;
    await registry.put<DeclaredToken>("token", TOKEN, revision, tokenOf(world, next));
    rights.done();
    world.faults.note("right changed");
    await scheduler.wait(OUTSIDE, below(random, 4_000));
  }
}

/** @returns null: revoked altogether */
function tokenOf(world: World, { isShared, columns }: Rights): DeclaredToken | null {
  if (!isShared && columns.length === 0) return null;
  const grants: Grant[] = [];
  if (isShared) grants.push({ action: "read", kind: "share", name: SHARE });
  if (columns.length > 0)
    for (const { name } of world.types) grants.push({ action: "read", kind: "table", name, columns });
  return { id: TOKEN, hash: "", description: "", grants, createdMs: 0, expiresMs: null };
}

/** An address, and until when it is good by the server's clock. */
interface Held {
  readonly url: string;
  readonly expiresMs: number;
}

/** A server of shares and the recipient who asks it. */
export class Recipient extends Helper {
  readonly #held: Held[] = [];
  readonly #reader: ShareReader;
  #registry: Registry | undefined;
  /** The version that it asks for next. */
  #next = 0;

  constructor(world: World, machine: Machine) {
    super(world, machine);
    const catalog = catalogOf((name) => this.openTable(name));
    const registry = (): Registry => this.#registry!;
    this.#reader = new ShareReader(
      {
        catalog,
        get registry() {
          return registry();
        },
        store: this.store,
        clock: this.clock,
        logger: silentLogger,
        query: NO_QUERIES,
      },
      { ...PARTS, delivery: "proxied", urlMs: world.urlMs, filesMax: 1_000, versionsMax: 1_000 },
    );
    world.planted?.reader?.(this.#reader);
  }

  async open(): Promise<void> {
    const registry = await Registry.open(this.world.rights.log, this.name, this.clock);
    this.#registry = this.world.planted?.registry?.(registry) ?? registry;
  }

  /** Asks as often as that, whatever becomes of it. */
  async ask(times: number): Promise<void> {
    for (let i = 0; i < times; i++) await this.#trying(() => this.#ask());
  }

  /** Everything that it has an address of. */
  async fetchAll(): Promise<void> {
    for (const held of this.#held) await this.#trying(() => this.#fetch(held));
  }

  async #trying(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isRefusal(error)) forgive(this.world, error);
    }
  }

  async work(isOver: () => boolean): Promise<void> {
    const { world } = this;
    const { random } = world;
    await this.open();
    while (!isOver()) {
      await this.clock.sleep(100 + below(random, pick(random, [1_000, 10_000])));
      if (isOver() || world.types.length === 0) continue;
      const held = this.#held.length > 0 ? pick(random, this.#held) : undefined;
      await this.#trying(async () => {
        if (random.fraction() < 0.5) await this.#ask();
        else if (random.fraction() < 0.3) await this.#select();
        else if (held) await this.#fetch(held);
      });
    }
  }

  /** What the routes of shares do, in their order. */
  async #ask(): Promise<void> {
    const { world } = this;
    const { random, rights } = world;
    const { name } = pick(random, world.types);
    const seen = rights.watch();
    try {
      const reading = await this.#reading(name.replace(".", "_"));
      const query = random.fraction();
      const answer =
        query < 0.5
          ? await this.#reader.query(reading, query < 0.2 ? { version: this.#next } : {})
          : await changesOf(this.#reader, reading, { startingVersion: this.#next, hasMetadata: true });
      assert(
        [...seen].some(({ isShared }) => isShared),
        "an answer from a share after it was revoked",
      );
      world.faults.note("share answered");
      this.#next = Math.max(0, answer.version - below(random, 4));
      for (const line of answer.lines)
        for (const value of Object.values(line)) {
          const { url, expirationTimestamp } = value as { url?: string; expirationTimestamp?: number };
          if (url !== undefined) this.#held.push({ url, expiresMs: expirationTimestamp! });
        }
    } finally {
      rights.forget(seen);
    }
  }

  async #reading(table: string): Promise<ShareReading> {
    await this.through(() => this.#registry!.refresh());
    const principal = new Authenticator(this.#registry!, this.clock).recall(PRINCIPAL);
    const directory = createShareDirectory(this.#registry!, {});
    const shared = await directory.table(principal, SHARE, SCHEMA, table);
    return { shared, principal, format: "parquet", origin: "" };
  }

  /** The columns that SQL would show. */
  async #select(): Promise<void> {
    const { world } = this;
    const seen = world.rights.watch();
    try {
      await this.through(() => this.#registry!.refresh());
      const principal = new Authenticator(this.#registry!, this.clock).recall(PRINCIPAL);
      const right = readRight(principal, pick(world.random, world.types).name);
      const shown = right?.scopes.flatMap(({ columns }) => columns ?? COLUMNS) ?? [];
      const isRight = (rights: Rights): boolean => shown.every((column) => rights.columns.includes(column));
      assert([...seen].some(isRight), `columns after they were revoked: ${shown.join()}`);
      world.faults.note("columns answered");
    } finally {
      world.rights.forget(seen);
    }
  }

  /** As the route of files does; whoever holds an address that is still good gets the file. */
  async #fetch({ url, expiresMs }: Held): Promise<void> {
    const { world } = this;
    const { query = "", ...untrusted } = ADDRESS.exec(url)!.groups as Record<string, string>;
    const parameters = new URLSearchParams(query);
    const seen = world.rights.watch();
    try {
      await this.through(() => this.#registry!.refresh());
      const key = await signingKey(this.#registry!);
      const nowMs = this.clock.nowMs();
      const address = verifyAddress(
        key,
        untrusted as never,
        (name) => parameters.get(name) ?? undefined,
        nowMs,
      );
      assert(expiresMs > nowMs, "an address that has expired");
      const principal = new Authenticator(this.#registry!, this.clock).recall(address.principal);
      const directory = createShareDirectory(this.#registry!, {});
      const shared = await directory.table(principal, address.share, address.schema, address.table);
      assert(isFileOf(shared, address.path), "a file of another table");
      const bytes = await this.store.get(address.path);
      assert(
        [...seen].some(({ isShared }) => isShared),
        "a file from a share after it was revoked",
      );
      // The machine may have been asleep between the two.
      if (!bytes && this.clock.nowMs() < expiresMs && world.isClockRight(shared.table))
        assert.fail(`${address.path} is gone, and its address is good until ${expiresMs}`);
      if (bytes) world.faults.note("shared file fetched");
    } finally {
      world.rights.forget(seen);
    }
  }
}

const REFUSALS = [
  "auth.invalid",
  "share.not_found",
  "share.file_refused",
  "share.changes_gone",
  "share.changes_erased",
  "request.malformed",
] as const;

function isRefusal(error: unknown): boolean {
  return REFUSALS.some((code) => hasCode(error, code));
}
