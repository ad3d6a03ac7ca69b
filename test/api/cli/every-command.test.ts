/**
 * Every command of the program: its help leads with examples that the program itself understands, it is used for real
 * against a whole Muara, and what the documents promise is there. A command without a line here fails the test.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeCommand, leavesOf, type DescribedCommand } from "../../../api/cli/command-tree.ts";
import { DESTRUCTIVE } from "../../../api/cli/confirm.ts";
import { buildProgram } from "../../../api/cli/program.ts";
import { systemClock } from "../../../core/clock.ts";
import { eventually } from "../../services/muara.ts";
import { runCommand, type CommandResult } from "../run-command.ts";
import { eventId, orderEvent, orderType, startStack, type Stack } from "../stack.ts";

const TYPE = "ORDER_PLACED";
const FEED = "orders";
const HOUR_MS = 3_600_000;
const WAIT_MS = 60_000;
const WORDS = /"([^"]*)"|'([^']*)'|(\S+)/g;

/** What the design (§10) and the research on the command line (§1.1) name → how it is called here. */
const DOCUMENTED: Readonly<Record<string, string>> = {
  ...same("demo dev start health doctor send tail trace sql books erase verify init complete help case"),
  ...same("table list,show,history,diff,verify,compact,expire,rollback"),
  ...same("job list,show,check,plan,deploy,pause,resume,logs,remove"),
  ...same("process list,plan,deploy,funnel"),
  ...same("alert list,rules,silence"),
  ...same("dead-letters list,show,replay"),
  ...same("extract list,build,get,verify,ddl,reconcile,show,load,contract"),
  ...same("share create,profile,revoke"),
  ...same("config show,check,docs"),
  ...same("token create,list,revoke"),
  ...same("capture add,list,show deliver create,list,show"),
  "quarantine list": "dead-letters list",
  "quarantine replay": "dead-letters replay",
  "contract export": "extract contract",
};

interface Use {
  /** Split at spaces outside of quotes; `$dir`, `$id` and the like are filled in. */
  readonly line: string;
  readonly code?: number;
  /** Of stdout and stderr. */
  readonly says: RegExp;
  /** Its standard output can be had in every format. */
  readonly isData?: true;
  readonly input?: string;
}

let stack: Stack;
let folder: string;
let environment: Record<string, string>;
const known = new Map<string, string>();

function same(groups: string): Record<string, string> {
  const found: Record<string, string> = {};
  const words = groups.split(" ");
  for (let i = 0; i < words.length; i++) {
    const verbs = words[i + 1]?.includes(",") ? words[++i]!.split(",") : [""];
    const group = words[verbs[0] === "" ? i : i - 1]!;
    for (const verb of verbs) found[`${group} ${verb}`.trim()] = `${group} ${verb}`.trim();
  }
  return found;
}

function wordsOf(line: string): string[] {
  const filled = line.replace(/\$(\w+)/g, (_, name: string) => known.get(name) ?? `no ${name}`);
  return [...filled.matchAll(WORDS)].map(([, double, single, bare]) => double ?? single ?? bare!);
}

const muara = (line: string, input = ""): Promise<CommandResult> =>
  runCommand(wordsOf(line), environment, input);

const nothing = (): Promise<never> => Promise.reject(new Error("nothing is opened"));

/** The tree without anything behind it. */
function program(ran: (path: string) => void = () => {}) {
  const io = {
    stdout: { write: () => true },
    stderr: { write: () => true },
    stdin: (async function* () {})(),
    environment: {},
    fetch: async (): Promise<Response> => {
      throw new Error("nothing is asked");
    },
    clock: systemClock,
    signal: new AbortController().signal,
  };
  const opened = { openStore: nothing, openClosedLog: nothing };
  const services = { version: "1.2.3", start: async () => 0, demo: async () => 0, ...opened, io };
  const built = buildProgram(services, () => {});
  const visit = (command: typeof built, names: readonly string[]): void => {
    if (command.commands.length === 0) command.action(() => ran(names.join(" ")));
    for (const below of command.commands) visit(below, [...names, below.name()]);
  };
  visit(built, []);
  return built;
}

const tree = describeCommand(program());
const leaves = leavesOf(tree);

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "muara-every-command-"));
  const sql = `SELECT event_id, event_time, number FROM ${TYPE}`;
  stack = await startStack(undefined, {
    audit: "on",
    jobs: { everyMs: 100, quietMs: 300 },
    extract: { everyMs: HOUR_MS },
    extracts: { [FEED]: { sql, window: "hour", time: "event_time", key: ["event_id"], totals: ["number"] } },
    postgres: { nowhere: { host: "127.0.0.1", port: 1, database: "none", user: "nobody" } },
  });
  environment = { MUARA_URL: stack.url, MUARA_DATA: stack.data, XDG_STATE_HOME: folder };
  known.set("dir", folder);
  await file("type.json", orderType(TYPE, 1));
  await file(
    "job.sql",
    `CREATE JOB hours AS SELECT window_start, window_end, count(*) AS n
     FROM TUMBLE(${TYPE}, event_time, INTERVAL '1 hour') GROUP BY window_start, window_end
     EMIT ON WINDOW CLOSE INTO lake hours`,
  );
  await file("process.json", {
    name: "shop",
    activities: { ordered: { from: TYPE, case: "number", fields: { note: "note" } } },
    velocities: { orders: { activity: "ordered", window: "1 hour" } },
  });
  await file("rule.json", {
    name: "Few",
    sql: { query: `SELECT count(*) AS value FROM ${TYPE} HAVING count(*) < 0` },
  });
  // Half of them in an hour that is over, so that there is an extract.
  const past = new Date(Math.floor(Date.now() / HOUR_MS - 2) * HOUR_MS).toISOString();
  const events = Array.from({ length: 20 }, (_, i) =>
    i < 10
      ? orderEvent(i, String(i)).replace(/"occurred_at":"[^"]+"/, `"occurred_at":"${past}"`)
      : orderEvent(i, String(i)),
  );
  await file("events.ndjson", `${events.join("\n")}\n`);
  await file("bad.ndjson", `${orderEvent(90, "92233720368547758080")}\n${orderEvent(15, "15")}\n`);
});

afterAll(async () => {
  await stack.close();
  await rm(folder, { recursive: true, force: true });
});

async function file(name: string, content: unknown): Promise<void> {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  await writeFile(path.join(folder, name), text);
}

/** Command → its real use; in the order in which they can be used. */
const USES: Readonly<Record<string, Use>> = {
  init: { line: "init $dir/new --type SALE", says: /event-types\/SALE\.json/ },
  demo: { line: "demo --seed 3 --no-open", says: /^$/ },
  dev: { line: "dev --port 0", says: /^$/ },
  start: { line: "start land", says: /^$/ },
  health: { line: "health --wait 30s", says: /log +ok/, isData: true },
  "event-type set": { line: "event-type set $dir/type.json", says: /declared for the first time/ },
  "event-type list": { line: "event-type list", says: /ORDER_PLACED/, isData: true },
  "event-type show": { line: `event-type show ${TYPE}`, says: /owning_application +shop/, isData: true },
  "event-type versions": { line: `event-type versions ${TYPE}`, says: /1\.0\.0/, isData: true },
  send: { line: `send ${TYPE} $dir/events.ndjson`, says: /submitted +20/ },
  tail: { line: `tail ${TYPE} -n 3`, says: /landed/, isData: true },
  trace: { line: `trace ${eventId(3)}`, says: /landed/, isData: true },
  sql: { line: `sql "SELECT count(*) AS n FROM ${TYPE}"`, says: /20/, isData: true },
  "table list": { line: "table list", says: /ORDER_PLACED/, isData: true },
  "table show": { line: `table show ${TYPE}`, says: /number +BIGINT/i, isData: true },
  "table partitions": {
    line: `table partitions ${TYPE}`,
    says: /files +bytes +rows.*\n.* 20 /,
    isData: true,
  },
  "table lineage": {
    line: `table lineage ${TYPE}`,
    says: /upstream +event_type +ORDER_PLACED/,
    isData: true,
  },
  "table history": { line: `table history ${TYPE}`, says: /s ago|now/, isData: true },
  "table diff": { line: `table diff ${TYPE}`, says: /added/, isData: true },
  "table verify": { line: `table verify ${TYPE} --deep`, says: /content +holds/, isData: true },
  verify: { line: "verify", says: /table ORDER_PLACED +true/, isData: true },
  "table compact": { line: `table compact ${TYPE}`, says: /files/, isData: true },
  "table pause": { line: `table pause ${TYPE} --for 1m`, says: /paused_until +in \d+ [sm]/ },
  "table resume": { line: `table resume ${TYPE}`, says: /paused_until/ },
  "table iceberg": { line: `table iceberg ${TYPE}`, says: /metadata/ },
  books: { line: "books --check", says: /ORDER_PLACED +20 +20/, isData: true },
  "dead-letters list": { line: "dead-letters list", says: /value_out_of_range/, isData: true },
  "dead-letters groups": {
    line: "dead-letters groups --state open",
    says: /ORDER_PLACED +event\.value_out_of_range +1 +1 /,
    isData: true,
  },
  "dead-letters show": { line: "dead-letters show $letter", says: /value_out_of_range/, isData: true },
  "dead-letters replay": { line: "dead-letters replay $letter --set /number=7", says: /1 accepted/ },
  "duplicates list": { line: "duplicates list", says: /identical/, isData: true },
  "duplicates show": { line: "duplicates show $duplicate", says: /identical/, isData: true },
  "job plan": { line: "job check $dir/job.sql", says: /hours/, isData: true },
  "job deploy": { line: "job deploy $dir/job.sql", says: /hours/ },
  "job list": { line: "job list", says: /hours/, isData: true },
  "job show": { line: "job show hours", says: /hours/, isData: true },
  "job logs": { line: "job logs hours", says: /level/, isData: true },
  "job preview": { line: "job preview hours", says: /not final/ },
  "job export": {
    line: "job export hours --to flink --source s3://shop/in --sink s3://shop/out",
    says: /CREATE TEMPORARY TABLE/,
  },
  "job rollback": { line: "job rollback hours", code: 3, says: /version 0/ },
  "job pause": { line: "job pause hours", says: /paused/ },
  "job resume": { line: "job resume hours", says: /hours/ },
  "process plan": { line: "process plan $dir/process.json", says: /process\.shop\.orders/, isData: true },
  "process deploy": { line: "process deploy $dir/process.json", says: /orders/ },
  "process list": { line: "process list", says: /shop/, isData: true },
  "process show": { line: "process show shop", says: /orders/, isData: true },
  "process funnel": { line: "process funnel shop", says: /ordered +2/, isData: true },
  "process map": { line: "process map shop", says: /ordered +- +2/, isData: true },
  "process variants": { line: "process variants shop", says: /ordered/, isData: true },
  "process deadlines": { line: "process deadlines shop", says: /complete through/ },
  "process pause": { line: "process pause shop", says: /paused/ },
  "process resume": { line: "process resume shop", says: /shop/ },
  "case show": { line: "case 3 --process shop", says: /ordered/, isData: true },
  "case list": { line: "case list --process shop", says: /ordered/, isData: true },
  "rule test": { line: "rule test $dir/rule.json --since 2m", says: /evaluations/ },
  "rule deploy": { line: "rule deploy $dir/rule.json", says: /Few/ },
  "rule list": { line: "rule list", says: /Few/, isData: true },
  "alert rules": { line: "alert rules", says: /Few/, isData: true },
  "rule show": { line: "rule show Few", says: /Few/, isData: true },
  "rule pause": { line: "rule pause Few", says: /paused/ },
  "rule resume": { line: "rule resume Few", says: /Few/ },
  "alert list": { line: "alert list --fail-on firing", says: /rule/, isData: true },
  "alert silence add": {
    line: "alert silence add 'severity=page' --comment 'planned work' --for 30m",
    says: /planned work/,
  },
  "alert silence list": { line: "alert silence list", says: /planned work/, isData: true },
  "alert silence expire": { line: "alert silence expire $silence", says: /is over/ },
  "capture check": {
    line: "capture check --database nowhere --table public.t",
    code: 7,
    says: /127\.0\.0\.1|reach|connect/i,
  },
  "capture add": {
    line: "capture add nowhere --database other --table public.t",
    code: 1,
    says: /other/,
  },
  "capture list": { line: "capture list", says: /database/, isData: true },
  "capture show": { line: "capture show nothing", code: 3, says: /nothing.*\n.*\n.*request id/ },
  "capture pause": { line: "capture pause nothing", code: 3, says: /nothing/ },
  "capture resume": { line: "capture resume nothing", code: 3, says: /nothing/ },
  "capture recopy": { line: "capture recopy nothing --yes", code: 3, says: /nothing/ },
  "capture reconcile": { line: "capture reconcile nothing", code: 3, says: /nothing/ },
  "capture remove": { line: "capture remove nothing --yes", code: 3, says: /nothing/ },
  "deliver create": { line: `deliver create hook ${TYPE} --to https://example.com/x`, says: /hook/ },
  "deliver list": { line: "deliver list", says: /hook/, isData: true },
  "deliver show": { line: "deliver show hook", says: /hook/, isData: true },
  "deliver pause": { line: "deliver pause hook", says: /paused/ },
  "deliver resume": { line: "deliver resume hook", says: /hook/ },
  "deliver kibana": { line: "deliver kibana hook", code: 3, says: /Elasticsearch/i },
  "deliver dead-letters": { line: "deliver dead-letters hook", says: /reason|row|position/, isData: true },
  "deliver delete": { line: "deliver delete hook --yes", says: /hook/ },
  "extract make": { line: `extract build ${FEED}`, says: /published +\d/ },
  "extract list": { line: "extract list", says: /orders/, isData: true },
  "extract show": { line: `extract show ${FEED}`, says: /version/, isData: true },
  "extract status": { line: `extract status ${FEED}`, says: /state/, isData: true },
  "extract get": { line: `extract get ${FEED} --to $dir/out`, says: /version/ },
  "extract fetches": { line: `extract fetches ${FEED}`, says: /1 +token:\w+ .*true/, isData: true },
  "extract verify": { line: `extract verify ${FEED} --to $dir/out`, says: /all as published/, isData: true },
  "extract ddl": { line: `extract ddl ${FEED} --target oracle`, says: /CREATE TABLE/ },
  "extract load": {
    line: `extract load ${FEED} --target oracle --base https://example.com/x`,
    says: /COPY_DATA|orders/,
  },
  "extract reconcile": { line: `extract reconcile ${FEED} --of 1 --rows 1`, code: 6, says: /expected/ },
  "extract contract": { line: `extract contract ${FEED}`, says: /"apiVersion": "v3\.1\.0"/ },
  "share create": { line: `share create sales --table ${TYPE}=shop.orders`, says: /sales/ },
  "share list": { line: "share list", says: /sales/, isData: true },
  "share recipient": {
    line: "share profile sales auditor --expires 1d --to $dir/auditor.share",
    says: /auditor/,
  },
  "share show": { line: "share show sales", says: /auditor/, isData: true },
  "share revoke": { line: "share revoke sales --yes", says: /sales/ },
  "role set": { line: "role set analyst --grant read:table:*", says: /has 1 grants/ },
  "role list": { line: "role list", says: /analyst/, isData: true },
  "role remove": { line: "role remove analyst --yes", says: /removed/ },
  "token create": { line: "token create --grant read:table:*", says: /^muara_/ },
  "token list": { line: "token list", says: /administrator/, isData: true },
  "token revoke": { line: "token revoke $token --yes", says: /revoked/ },
  "audit verify": { line: "audit verify", says: /hold|whole|chain/i },
  "config show": { line: "config show", says: /^port +8080/m, isData: true },
  // What they do with real folders: test/e2e/backup.test.ts.
  "backup create": { line: "backup create $dir/copy --data $dir/none", says: /no log in/, code: 3 },
  "backup verify": { line: "backup verify $dir/none", says: /no backup/, code: 1 },
  "backup restore": { line: "backup restore $dir/none --data $dir/back", says: /no backup/, code: 1 },
  "config check": { line: "config check", says: /valid/ },
  "config docs": { line: "config docs", says: /MUARA_PORT/, isData: true },
  doctor: { line: "doctor", says: /query engine +ok/, isData: true },
  complete: { line: "complete bash", says: /complete -F/ },
  help: { line: "help table show", says: /schema, place/ },
  "table expire": {
    line: `table expire ${TYPE} --before 2020-01-01T00:00:00Z --yes`,
    says: /nothing to remove/,
  },
  "table rollback": { line: `table rollback ${TYPE} --to 1 --dry-run`, says: /would go/ },
  "table sweep": { line: `table sweep ${TYPE} --yes`, says: /files|deleted/ },
  "job remove": { line: "job remove hours --yes", says: /removed/ },
  "process remove": { line: "process remove shop --yes", says: /removed/ },
  "rule remove": { line: "rule remove Few --yes", says: /removed/ },
  erase: { line: `erase ${TYPE} --where note=n5 --reason r --yes`, says: /erasure|complete/ },
};

interface Job {
  readonly is_live: boolean;
}

interface Feed {
  readonly complete_through: string | null;
}

async function column(line: string, key: string): Promise<string> {
  const rows = JSON.parse((await muara(`${line} -o json`)).out) as Record<string, string>[];
  return rows[0]?.[key] ?? "nothing";
}

/** What a use needs that the ones before have made. */
async function prepare(command: string): Promise<void> {
  if (command === "tail") await stack.settled(TYPE);
  if (command === "dead-letters list") {
    await muara(`send ${TYPE} $dir/bad.ndjson`);
    await stack.settled(TYPE);
  }
  if (command === "dead-letters show")
    known.set("letter", await column("dead-letters list", "dead_letter_id"));
  if (command === "duplicates show") known.set("duplicate", await column("duplicates list", "duplicate_id"));
  if (command === "job preview")
    await eventually(
      "the job is live",
      WAIT_MS,
      async () => (await stack.get<Job>("/v1/jobs/hours")).is_live,
    );
  if (command === "extract make")
    await eventually("the hour is over for landing, too", WAIT_MS, async () => {
      const { complete_through: through } = await stack.get<Feed>(`/v1/extracts/${FEED}`);
      if (through !== null) return true;
      await stack.call("POST", `/v1/extracts/${FEED}/make`);
      return false;
    });
  if (command === "audit verify") await stack.settled("muara.audit");
  if (command === "alert silence expire") known.set("silence", await column("alert silence list", "id"));
  if (command === "token revoke") {
    const made = await muara("token create --grant read:table:x -o json");
    known.set("token", (JSON.parse(made.out) as { id: string }[])[0]!.id);
  }
}

describe("help", () => {
  test("every command leads with two examples, which the program understands", async () => {
    for (const leaf of leaves) {
      const { out } = await muara(`${leaf.path} --help`);
      expect(out.startsWith("Examples:\n"), leaf.path).toBe(true);
      expect(leaf.examples.length, leaf.path).toBeGreaterThanOrEqual(2);
      for (const example of leaf.examples) {
        const ran: string[] = [];
        const words = wordsOf(example.replace(/ [<>|].*$/, "")).slice(1);
        await program((name) => ran.push(name)).parseAsync(words, { from: "user" });
        expect(ran, example).toEqual([leaf.path]);
      }
    }
  });

  test("options say what their argument is, their default and where it may come from", () => {
    for (const leaf of [tree, ...leaves])
      for (const option of leaf.options)
        expect(option.description, `${leaf.path} ${option.flags}`).not.toBe("");
    const globals = new Map(tree.options.map((option) => [option.flags, option]));
    expect(globals.get("--url <address>")).toMatchObject({ environment: "MUARA_URL" });
    expect(globals.get("-o, --output <format>")?.default).toBe("table");
  });

  test("has every command that is promised", () => {
    const called = new Map<string, string>();
    const collect = (command: DescribedCommand): void => {
      const above = command.path.split(" ").slice(0, -1);
      for (const name of [command.path, ...command.aliases.map((alias) => [...above, alias].join(" "))])
        called.set(name, command.path);
      command.commands.forEach(collect);
    };
    collect(tree);
    const missing = Object.entries(DOCUMENTED).filter(([, name]) => !called.has(name));
    expect(missing).toEqual([]);
    expect(Object.keys(DOCUMENTED).length).toBeGreaterThan(60);
  });

  test("as JSON is the tree, for scripts", async () => {
    const found = JSON.parse((await muara("help --json")).out) as DescribedCommand;
    expect(leavesOf(found).map((leaf) => leaf.path)).toEqual(leaves.map((leaf) => leaf.path));
    const one = JSON.parse((await muara("help table rollback --json")).out) as DescribedCommand;
    expect(one).toMatchObject({ path: "table rollback", destroys: expect.any(String), commands: [] });
    expect((await muara("help tabel")).code).toBe(3);
  });
});

describe("in use", { timeout: 120_000 }, () => {
  test("there is a use of every command", () => {
    expect(Object.keys(USES).toSorted()).toEqual(leaves.map((leaf) => leaf.path).toSorted());
  });

  test.each(Object.entries(USES))("%s", async (command, { line, code = 0, says, isData }) => {
    await prepare(command);
    const { code: ended, out, err } = await muara(line);
    expect([ended, out + err]).toEqual([code, expect.stringMatching(says)]);
    if (!isData) return;
    const json = JSON.parse((await muara(`${line} -o json`)).out) as unknown[];
    expect(Array.isArray(json)).toBe(true);
    const lines = (await muara(`${line} -o jsonl`)).out.split("\n").filter((text) => text !== "");
    for (const text of lines) JSON.parse(text);
    expect((await muara(`${line} -o csv`)).out).toMatch(/^[\w.]+(,[\w.]+)*\r\n/);
  });

  test.each(Object.keys(DESTRUCTIVE))("%s needs --yes where nobody can be asked", async (command) => {
    const use = USES[command]!.line.replace(/ --(yes|dry-run)/, "");
    const refused = await muara(use);
    expect([refused.code, refused.out]).toEqual([2, ""]);
    expect(refused.err).toContain("--yes");
  });
});
