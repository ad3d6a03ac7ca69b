/** The command tree as data: for `muara help --json`, the completion and docs/CLI.md. */
import type { Command, Option } from "commander";
import { DESTRUCTIVE } from "./confirm.ts";
import { EXAMPLES } from "./examples.ts";

export interface DescribedOption {
  /** As help shows them: `-n, --limit <number>`. */
  readonly flags: string;
  readonly description: string;
  readonly default: string | number | boolean | null;
  readonly choices: readonly string[];
  readonly required: boolean;
  /** Environment variable that it may come from. */
  readonly environment: string | null;
}

export interface DescribedArgument {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  readonly variadic: boolean;
}

export interface DescribedCommand {
  /** `table show`; empty for the program. */
  readonly path: string;
  readonly aliases: readonly string[];
  readonly description: string;
  readonly usage: string;
  /** What it does for good; it then asks, or needs `--yes`. */
  readonly destroys: string | null;
  readonly examples: readonly string[];
  readonly arguments: readonly DescribedArgument[];
  readonly options: readonly DescribedOption[];
  readonly commands: readonly DescribedCommand[];
}

const VARIABLE = /\b(?:MUARA_[A-Z0-9_]+|NO_COLOR)\b/;

/** The command and all below it. */
export function describeCommand(command: Command): DescribedCommand {
  const path = pathOf(command);
  return {
    path,
    aliases: command.aliases(),
    description: command.description(),
    usage: ["muara", path, command.usage()].filter((part) => part !== "").join(" "),
    destroys: DESTRUCTIVE[path] ?? null,
    examples: (EXAMPLES[path] ?? []).map((line) => `muara ${line}`),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      description: argument.description,
      required: argument.required,
      variadic: argument.variadic,
    })),
    options: command.options.filter((option) => !option.hidden).map(describeOption),
    commands: command.commands.map(describeCommand),
  };
}

/** `table show`; empty for the program itself. */
export function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(" ");
}

function describeOption(option: Option): DescribedOption {
  const given: unknown = option.defaultValue;
  const isPlain = ["string", "number", "boolean"].includes(typeof given);
  return {
    flags: option.flags,
    description: option.description,
    default: isPlain && !option.negate ? (given as string | number | boolean) : null,
    choices: option.argChoices ?? [],
    required: option.mandatory,
    environment: VARIABLE.exec(option.description)?.[0] ?? null,
  };
}

/** Commands that do something, in the order of help. */
export function leavesOf(command: DescribedCommand): readonly DescribedCommand[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);
}
