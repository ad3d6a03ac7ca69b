/**
 * `muara complete SHELL` prints the shell's completion script; `muara complete -- WORDS…` is what that script asks
 * at each TAB. Names of what is there come from the server, where it answers at once: a key press must neither hang nor
 * fail, nor run anything else to find a token. Names with a character that a shell might act on are left out.
 */
import { RootCommand } from "@bomb.sh/tab";
import { Option, type Command } from "commander";
import { Client } from "./client.ts";
import { describeCommand, type DescribedCommand } from "./command-tree.ts";
import type { AddCommand, Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";

const SHELLS = ["bash", "zsh", "fish", "powershell"];
const ANSWER_MS_MAX = 700;
const NAMES_MAX = 500;
const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9_.@%+-]*$/;
const CHOICE = /<([a-z]+(?:\|[a-z]+)+)>/;

/** Kind of a thing → its list, and where the name is in an item. */
const LISTS: Readonly<Record<string, { readonly route: string; readonly key: string }>> = {
  table: { route: "/v1/tables", key: "name" },
  "event-type": { route: "/event-types", key: "name" },
  job: { route: "/v1/jobs", key: "name" },
  process: { route: "/v1/processes", key: "name" },
  rule: { route: "/v1/rules", key: "name" },
  capture: { route: "/v1/captures", key: "name" },
  deliver: { route: "/v1/deliveries", key: "name" },
  extract: { route: "/v1/extracts", key: "feed" },
  share: { route: "/v1/shares", key: "name" },
  role: { route: "/v1/roles", key: "name" },
  token: { route: "/v1/tokens", key: "id" },
};
/** What an argument of this name is; `<name>` and `<id>` are what the command is about. */
const KINDS: Readonly<Record<string, string>> = {
  table: "table",
  type: "event-type",
  "event-type": "event-type",
  feed: "extract",
  share: "share",
};

type Names = ReadonlyMap<string, readonly string[]>;

export const addComplete: AddCommand = (program, run) => {
  program
    .command("complete")
    .description("print the completion script of a shell")
    .argument("<shell>", SHELLS.join(", "))
    .allowExcessArguments()
    .action(
      run(async (session, command) => {
        const { rawArgs } = program as Command & { rawArgs: readonly string[] };
        const dashes = rawArgs.indexOf("--");
        if (dashes >= 0) return await suggest(session, program, rawArgs.slice(dashes + 1));
        const shell = command.args[0]!;
        if (!SHELLS.includes(shell) || command.args.length > 1)
          throw new CliFailure(EXIT.usage, `there are completions for ${SHELLS.join(", ")}.`);
        session.io.stdout.write(scriptOf(shell));
      }),
    );
};

async function suggest(session: Session, program: Command, words: readonly string[]): Promise<void> {
  const tree = describeCommand(program);
  const wanted = new Set<string>();
  printed(() => completionOf(tree, wanted, new Map()).parse([...words]));
  const names = new Map<string, readonly string[]>();
  for (const kind of wanted) names.set(kind, await liveNames(session, program, kind, words));
  session.io.stdout.write(printed(() => completionOf(tree, new Set(), names).parse([...words])));
}

/** @param wanted gets the kinds of things that are asked for */
function completionOf(tree: DescribedCommand, wanted: Set<string>, names: Names): RootCommand {
  const root = new RootCommand();
  const add = (described: DescribedCommand): void => {
    const command = described.path === "" ? root : root.command(described.path, described.description);
    const options = described.path === "" ? described.options : [...described.options, ...tree.options];
    for (const option of options) {
      const { long, short, required, optional } = new Option(option.flags);
      if (!long) continue;
      const alias = short && /^-\w$/.test(short) ? short.slice(1) : undefined;
      const choices =
        option.choices.length > 0 ? option.choices : (CHOICE.exec(option.flags)?.[1]?.split("|") ?? []);
      const kind = KINDS[long.slice(2)];
      const name = long.slice(2);
      if (!required && !optional) command.option(name, option.description, alias);
      else
        command.option(
          name,
          option.description,
          (complete) => {
            for (const choice of choices) complete(choice, "");
            if (kind !== undefined && choices.length === 0) offer(kind, complete);
          },
          alias,
        );
    }
    for (const argument of described.arguments) {
      const kind = kindOf(described.path, argument.name);
      const shells = described.path === "complete" ? SHELLS : [];
      command.argument(
        argument.name,
        (complete) => {
          for (const shell of shells) complete(shell, "");
          if (kind !== undefined) offer(kind, complete);
        },
        argument.variadic,
      );
    }
    for (const below of described.commands) add(below);
  };
  const offer = (kind: string, complete: (value: string, description: string) => void): void => {
    wanted.add(kind);
    for (const name of names.get(kind) ?? []) complete(name, "");
  };
  add(tree);
  return root;
}

function kindOf(path: string, argument: string): string | undefined {
  const group = path.split(" ")[0]!;
  if (argument === "name" || argument === "id") return group in LISTS ? group : undefined;
  return KINDS[argument];
}

/** Nothing where the server is away, slow, or refuses. */
async function liveNames(
  session: Session,
  program: Command,
  kind: string,
  words: readonly string[],
): Promise<readonly string[]> {
  const list = LISTS[kind];
  if (!list) return [];
  const signal = AbortSignal.any([session.io.signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
  try {
    const client = new Client({ ...session.io, signal }, { ...session.flags, ...flagsIn(program, words) });
    const answer = await client.get<unknown>(list.route);
    const items = (
      Array.isArray(answer) ? answer : (answer as { items: unknown }).items
    ) as readonly Readonly<Record<string, unknown>>[];
    const names = items.map((item) => String(item[list.key] ?? item["name"]));
    return names.filter((name) => PLAIN.test(name)).slice(0, NAMES_MAX);
  } catch {
    return [];
  }
}

/** The address, token and folder that stand on the line. */
function flagsIn(
  program: Command,
  words: readonly string[],
): Partial<Record<"url" | "token" | "data", string>> {
  const found: Partial<Record<"url" | "token" | "data", string>> = {};
  for (const name of ["url", "token", "data"] as const) {
    const at = words.indexOf(`--${name}`);
    const joined = words.find((word) => word.startsWith(`--${name}=`));
    const value = joined?.slice(name.length + 3) ?? (at >= 0 ? words[at + 1] : undefined);
    if (value && program.options.some(({ long }) => long === `--${name}`)) found[name] = value;
  }
  return found;
}

function scriptOf(shell: string): string {
  const script = printed(() => new RootCommand().setup("muara", "muara", shell));
  if (shell !== "bash") return script;
  // Where the package bash-completion is missing; and the script may be read twice in one shell.
  return `${BASH_WORDS}${script.replaceAll(/^readonly /gm, "")}`;
}

const BASH_WORDS = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        cur=\${COMP_WORDS[COMP_CWORD]}
        prev=\${COMP_WORDS[COMP_CWORD-1]}
        words=("\${COMP_WORDS[@]:0:COMP_CWORD+1}")
        cword=$COMP_CWORD
    }
fi
`;

/** What the library writes to the console: it has no other way out. */
function printed(action: () => void): string {
  const lines: string[] = [];
  const own = Object.getOwnPropertyDescriptor(console, "log")!;
  const value = (text: unknown): void => void lines.push(`${String(text)}\n`);
  Object.defineProperty(console, "log", { ...own, value });
  try {
    action();
  } finally {
    Object.defineProperty(console, "log", own);
  }
  return lines.join("");
}
