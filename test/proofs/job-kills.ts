/**
 * `npm run proof:job-kills -- [--kills 100] [--seed N]`: two jobs, one over the other's results, with sinks in a real
 * PostgreSQL, a real Elasticsearch and an event type of the same Muara. While events come, the jobs' own processes and
 * the whole Muara are killed at random moments, and now and then the text of the first job is declared anew. At the
 * end each table holds, row by row, what its SELECT gives as a batch over the lake, and the sinks what the table
 * holds.
 */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { type Randomness, seededRandomness } from "../../core/clock.ts";
import { type ElasticsearchServer, startElasticsearch } from "../services/elasticsearch.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type PostgresServer, startPostgres } from "../services/postgres.ts";
import { proofCommand, type ProofOptions } from "./proof-command.ts";

const TYPE = "order.created";
const SINK_TYPE = "order.velocity.told";
const START_MS = Date.UTC(2026, 2, 1);
const EVENTS = 60;
const LATENESS = "INTERVAL '20 seconds'";
const DEADLINE_MS = 300_000;
const KILL_MS_MAX = 900;
/** Of all kills: of the whole process, instead of the jobs' own. */
const WHOLE = 0.5;
/** Between two kills: a later text. */
const UPGRADE = 0.15;
const COLUMNS = "window_start, window_end, country, orders, total";

export interface JobKillsOptions extends ProofOptions {
  readonly kills: number;
}

export interface JobKillsResult {
  kills: number;
  whole: number;
  engines: number;
  texts: number;
  events: number;
  results: number;
  followed: number;
  corrections: number;
  /** Events of the sink's type that came more than once: landed they are none. */
  repeats: number;
}

function firstText(version: number): string {
  return `CREATE JOB velocity WITH (lateness = '20 seconds') AS /* ${version} */
    SELECT window_start, window_end, country, count(*) AS orders, sum(total) AS total
    FROM TUMBLE(order_created, event_time, INTERVAL '1 minute')
    GROUP BY window_start, window_end, country
    EMIT ON WINDOW CLOSE INTO lake order_velocity, postgres velocity, elasticsearch velocity,
      log "${SINK_TYPE}"`;
}

const SECOND = `CREATE JOB daily AS
  WITH single AS (SELECT window_start AS since, watermark, country, orders, total FROM order_velocity)
  SELECT window_start, window_end, country, sum(orders) AS orders, sum(total) AS total
  FROM TUMBLE(single, since, INTERVAL '5 minutes') GROUP BY window_start, window_end, country
  EMIT ON WINDOW CLOSE INTO lake order_daily`;

/** @throws Error naming the seed */
export async function runJobKills(options: JobKillsOptions): Promise<JobKillsResult> {
  const servers = [startPostgres(), startElasticsearch()] as const;
  const [postgres, elasticsearch] = await Promise.all(servers);
  const folder = await temporaryFolder("job-kills");
  const proof = new JobKills(options, postgres, elasticsearch, folder.path);
  try {
    const result = await proof.run();
    await folder.remove(); // after a failure it stays, to be looked at
    return result;
  } catch (error) {
    throw new Error(`job kills with seed ${options.seed}`, { cause: error });
  } finally {
    await proof.end();
    await Promise.all([postgres.stop(), elasticsearch.stop()]);
  }
}

class JobKills {
  readonly #options: JobKillsOptions;
  readonly #postgres: PostgresServer;
  readonly #elasticsearch: ElasticsearchServer;
  readonly #folder: string;
  readonly #random: Randomness;
  readonly #result: JobKillsResult = {
    kills: 0,
    whole: 0,
    engines: 0,
    texts: 1,
    events: 0,
    results: 0,
    followed: 0,
    corrections: 0,
    repeats: 0,
  };
  #database = "";
  #muara: MuaraProcess | undefined;

  constructor(
    options: JobKillsOptions,
    postgres: PostgresServer,
    elasticsearch: ElasticsearchServer,
    folder: string,
  ) {
    this.#options = options;
    this.#postgres = postgres;
    this.#elasticsearch = elasticsearch;
    this.#folder = folder;
    this.#random = seededRandomness(options.seed);
  }

  async run(): Promise<JobKillsResult> {
    const { kills, tell } = this.#options;
    this.#database = await this.#postgres.freshDatabase();
    await this.#configure();
    await this.#start();
    const string = { type: "string" };
    const whole = { type: "integer" };
    const time = { type: "string", format: "date-time" };
    await this.#declare(TYPE, { country: string, total: whole });
    await this.#declare(SINK_TYPE, {
      row_id: string,
      window_start: time,
      window_end: time,
      country: string,
      orders: whole,
      total: whole,
    });
    await this.#publish();
    await this.#landed();
    await this.#ask("POST", "/v1/jobs", { text: firstText(1) });
    await eventually("the first job has its table", DEADLINE_MS, async () => {
      return (await this.#try("/v1/jobs/velocity"))["running_version"] === 1;
    });
    await this.#ask("POST", "/v1/jobs", { text: SECOND });
    while (this.#result.kills < kills) {
      await this.#publish();
      if (this.#random.fraction() < UPGRADE) await this.#upgrade();
      await new Promise((resolve) => setTimeout(resolve, this.#random.fraction() * KILL_MS_MAX));
      await this.#kill();
      if (this.#result.kills % 10 === 0) tell?.(JSON.stringify(this.#result));
    }
    await this.#publish();
    await this.#audit();
    return this.#result;
  }

  async end(): Promise<void> {
    await this.#muara?.kill();
  }

  async #declare(name: string, properties: object): Promise<void> {
    await this.#ask("POST", "/event-types", {
      name,
      owning_application: "test",
      category: "business",
      schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
    });
  }

  async #configure(): Promise<void> {
    const { host, port, user } = this.#postgres;
    const config = {
      land: { commitMs: 100, projectMs: 200, disorderMs: 2_000 },
      jobs: { quietMs: 500, everyMs: 100, pauseMsMax: 500, standbyMs: 500 },
      query: { warm: 0 },
      postgres: { store: { host, port, user, database: this.#database } },
      deliver: {
        everyMs: 50,
        saveMs: 200,
        pauseMsMax: 500,
        standbyMs: 500,
        postgres: ["store"],
        elasticsearch: { search: { url: this.#elasticsearch.url, replicas: 0 } },
      },
    };
    await writeFile(join(this.#folder, "muara.config.ts"), `export default ${JSON.stringify(config)};`);
  }

  async #start(): Promise<void> {
    const environment = { MUARA_CONFIG: join(this.#folder, "muara.config.ts") };
    this.#muara = await startMuara(join(this.#folder, "data"), environment);
  }

  async #kill(): Promise<void> {
    this.#result.kills++;
    if (this.#random.fraction() < WHOLE) {
      this.#result.whole++;
      await this.#muara!.kill();
      await this.#start();
      return;
    }
    const all = enginesOf(this.#muara!.pid);
    this.#result.engines += all.length;
    for (const pid of all) process.kill(pid, "SIGKILL");
  }

  /** Another text with the same result: whichever has made a row, it is the same one. */
  async #upgrade(): Promise<void> {
    const asked = this.#ask("PUT", "/v1/jobs/velocity", { text: firstText(++this.#result.texts) });
    await asked.catch(() => undefined);
  }

  /** A second apart, a little or very late now and then. */
  async #publish(): Promise<void> {
    const events = Array.from({ length: EVENTS }, () => {
      const n = this.#result.events++;
      const isLate = this.#random.fraction() < 0.05;
      const lateMs = (isLate ? 300_000 : 3_000) * this.#random.fraction();
      return {
        metadata: {
          eid: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
          occurred_at: new Date(START_MS + n * 1_000 - lateMs).toISOString(),
        },
        country: ["DE", "AT", "CH"][n % 3],
        total: n,
      };
    });
    await this.#ask("POST", `/event-types/${TYPE}/events`, events);
  }

  async #landed(): Promise<void> {
    await eventually("all has landed", DEADLINE_MS, async () => {
      const rows = await this.#sql(`SELECT count(*) FROM "${TYPE}"`).catch(() => [[0]]);
      return Number(rows[0]![0]) === this.#result.events;
    });
  }

  async #audit(): Promise<void> {
    await this.#landed();
    const untils: string[] = [];
    for (const name of ["velocity", "daily"])
      await eventually(`${name} is through`, DEADLINE_MS, async () => {
        const shown = await this.#try(`/v1/jobs/${name}`);
        untils.push(String(shown["released_until"]));
        // Where nothing more comes, both stand still.
        return (
          shown["is_live"] === true &&
          shown["behind_versions"] === 0 &&
          shown["behind_ms"] === 0 &&
          untils.at(-1) === untils.at(-2)
        );
      });
    const until = async (name: string): Promise<string> =>
      String((await this.#try(`/v1/jobs/${name}`))["released_until"]);
    const end = "window_start + INTERVAL '1 minute'";
    const first = `SELECT window_start, ${end} AS window_end, country, count(*) AS orders, sum(total) AS total
      FROM (SELECT *, time_bucket(INTERVAL '1 minute', event_time) AS window_start FROM "${TYPE}")
      WHERE coalesce(watermark < ${end} + ${LATENESS}, true)
        AND ${end} + ${LATENESS} <= TIMESTAMPTZ '${await until("velocity")}' GROUP BY ALL`;
    const five = "INTERVAL '5 minutes'";
    const second = `SELECT time_bucket(${five}, since) AS window_start, window_start + ${five} AS window_end, country,
      sum(orders) AS orders, sum(total) AS total FROM (SELECT * RENAME (window_start AS since) FROM (${first}))
      WHERE time_bucket(${five}, since) + ${five} <= TIMESTAMPTZ '${await until("daily")}' GROUP BY ALL`;
    this.#result.results = await this.#same("order_velocity", first);
    this.#result.followed = await this.#same("order_daily", second);
    const corrections = await this.#sql('SELECT count(*) FROM "order_velocity.corrections"');
    this.#result.corrections = Number(corrections[0]![0]);
    await this.#sinks();
    await this.#log();
  }

  /** @returns rows */
  async #same(table: string, batch: string): Promise<number> {
    const found = `SELECT ${COLUMNS} FROM ${table}`;
    const missing = await this.#sql(`(${batch}) EXCEPT ALL (${found})`);
    const surplus = await this.#sql(`(${found}) EXCEPT ALL (${batch})`);
    if (missing.length + surplus.length > 0)
      throw new Error(
        `${table}: ${JSON.stringify({ missing: missing.slice(0, 5), surplus: surplus.slice(0, 5) })}`,
      );
    const [ids] = await this.#sql(`SELECT count(DISTINCT row_id), count(*) FROM ${table}`);
    if (ids![0] !== ids![1]) throw new Error(`${table}: ${String(ids![1])} rows have ${String(ids![0])} ids`);
    return Number(ids![1]);
  }

  /** Both hold the table's rows, by id and by value. */
  async #sinks(): Promise<void> {
    const rows = await this.#sql("SELECT row_id, country, orders, total FROM order_velocity");
    const wanted = rows.map(text).toSorted();
    const postgres = async (): Promise<string[]> => {
      const found = await this.#postgres.sql(
        "SELECT row_id, country, orders::text, total::text FROM public.velocity",
        [],
        this.#database,
      );
      return found.map((row) => text(Object.values(row))).toSorted();
    };
    const elasticsearch = async (): Promise<string[]> => {
      await this.#elasticsearch.ask("POST", "/velocity/_refresh");
      const answer = (await this.#elasticsearch.ask("POST", "/velocity/_search", {
        size: 10_000,
        query: { match_all: {} },
      })) as { hits: { hits: { _source: Record<string, unknown> }[] } };
      return answer.hits.hits
        .map(({ _source: found }) =>
          text(["row_id", "country", "orders", "total"].map((name) => found[name])),
        )
        .toSorted();
    };
    for (const [name, look] of Object.entries({ postgres, elasticsearch })) {
      let last: readonly string[] = [];
      await eventually(`${name} has every row`, DEADLINE_MS, async () => {
        last = await look().catch(() => []);
        return last.length >= wanted.length;
      });
      if (JSON.stringify(last) !== JSON.stringify(wanted))
        throw new Error(`${name} holds other rows than the table`);
    }
  }

  /** What landed of the sink's type is the table, row by row; what came again is booked as duplicates. */
  async #log(): Promise<void> {
    const columns = `row_id, ${COLUMNS}`;
    const table = `SELECT ${columns} FROM order_velocity`;
    const told = `SELECT ${columns} FROM "${SINK_TYPE}"`;
    let books: Record<string, number> = {};
    await eventually("the log's sink has every row", DEADLINE_MS, async () => {
      const { items } = (await this.#try(`/v1/books?event_type=${SINK_TYPE}`)) as { items: (typeof books)[] };
      books = items[0] ?? {};
      const rows = await this.#sql(`SELECT count(*) FROM (${told})`).catch(() => [[-1]]);
      return books["in_flight"] === 0 && Number(rows[0]![0]) >= this.#result.results;
    });
    const missing = await this.#sql(`(${table}) EXCEPT ALL (${told})`);
    const surplus = await this.#sql(`(${told}) EXCEPT ALL (${table})`);
    const { accepted, landed, duplicates, dead_letters: dead } = books;
    this.#result.repeats = duplicates!;
    if (missing.length + surplus.length > 0 || dead !== 0 || accepted !== landed! + duplicates!)
      throw new Error(`${SINK_TYPE}: ${JSON.stringify({ missing, surplus, books })}`);
  }

  async #ask(method: string, path: string, body: unknown): Promise<void> {
    const response = await this.#muara!.fetch(path, { method, body: JSON.stringify(body) });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${path} answers ${response.status}: ${answer}`);
  }

  async #try(path: string): Promise<Record<string, unknown>> {
    return (await (await this.#muara!.fetch(path)).json()) as Record<string, unknown>;
  }

  #sql(query: string): Promise<unknown[][]> {
    return this.#muara!.sql(query);
  }
}

function text(row: readonly unknown[]): string {
  return row.map(String).join("|");
}

/** The jobs' own processes, by their command lines. */
function enginesOf(pid: number): readonly number[] {
  const children = spawnSync("ps", ["-o", "pid=,args=", "--ppid", String(pid)])
    .stdout.toString()
    .split("\n");
  return children.flatMap((line) => (line.includes("engine-child") ? [Number.parseInt(line, 10)] : []));
}

if (process.argv[1] === import.meta.filename) await proofCommand({ kills: 100 }, runJobKills);
