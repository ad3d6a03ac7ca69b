/** What holds between the parts of a declared process: names that are referred to are there, and mean one thing. */
import type { Activity, Completion, Deadline, Velocity } from "./process-parts.ts";

export interface ProcessProblem {
  /** Of the field within the declaration. */
  readonly path: readonly string[];
  readonly message: string;
}

/** Columns that results have of themselves, and those that every activity has. */
export const OWN_COLUMNS: ReadonlySet<string> = new Set([
  "case_id",
  "event_id",
  "event_time",
  "watermark",
  "outcome",
  "started_at",
  "due_at",
  "part",
  "first_at",
  "got",
  "needed",
  "window_start",
  "window_end",
  "events",
]);

interface Declared {
  readonly activities: Readonly<Record<string, Activity>>;
  readonly deadlines: Readonly<Record<string, Deadline>>;
  readonly completions: Readonly<Record<string, Completion>>;
  readonly velocities: Readonly<Record<string, Velocity>>;
}

export function checkProcess(declared: Declared): readonly ProcessProblem[] {
  const checker = new Checker(declared);
  checker.activities();
  checker.rules();
  return checker.problems;
}

class Checker {
  readonly problems: ProcessProblem[] = [];
  readonly #declared: Declared;

  constructor(declared: Declared) {
    this.#declared = declared;
  }

  activities(): void {
    const { activities } = this.#declared;
    const tables = new Set(
      Object.values(activities).flatMap(({ from }) => [from, from.replaceAll(/\W/g, "_")]),
    );
    for (const [name, { fields }] of Object.entries(activities)) {
      const path = ["activities", name];
      if (tables.has(name)) this.#add(path, "it has the name of a table that the process reads");
      for (const field of Object.keys(fields))
        if (OWN_COLUMNS.has(field))
          this.#add([...path, "fields", field], "every row has such a column already");
    }
  }

  rules(): void {
    const { deadlines, completions, velocities } = this.#declared;
    const names = new Set<string>();
    const once = (kind: string, name: string): readonly string[] => {
      const path = [kind, name];
      if (names.has(name)) this.#add(path, "another rule of the process has this name");
      names.add(name);
      return path;
    };
    for (const [name, { from, to, carry }] of Object.entries(deadlines)) {
      const path = once("deadlines", name);
      this.#activity([...path, "from"], from);
      this.#activity([...path, "to"], to);
      this.#fields([...path, "carry"], from, carry);
    }
    for (const [name, rule] of Object.entries(completions)) {
      const path = once("completions", name);
      this.#activity([...path, "anchor"], rule.anchor);
      this.#activity([...path, "parts"], rule.parts);
      this.#fields([...path, "carry"], rule.anchor, rule.carry);
      if (rule.part !== "event_id") this.#field([...path, "part"], rule.parts, rule.part);
      for (const key of ["needed", "expected"] as const) {
        const given = rule[key];
        if (typeof given === "string") this.#field([...path, key], rule.anchor, given);
      }
    }
    for (const [name, { activity, by, measures }] of Object.entries(velocities)) {
      const path = once("velocities", name);
      this.#activity([...path, "activity"], activity);
      this.#fields([...path, "by"], activity, by);
      for (const [measure, { of }] of Object.entries(measures)) {
        this.#field([...path, "measures", measure, "of"], activity, of);
        if (OWN_COLUMNS.has(measure) || by.includes(measure))
          this.#add([...path, "measures", measure], "the result has such a column already");
      }
    }
  }

  #activity(path: readonly string[], name: string): void {
    const { activities } = this.#declared;
    if (Object.hasOwn(activities, name)) return;
    this.#add(path, `there is no activity "${name}"; there are ${Object.keys(activities).join(", ")}`);
  }

  #fields(path: readonly string[], activity: string, names: readonly string[]): void {
    for (const [i, name] of names.entries()) {
      this.#field([...path, String(i)], activity, name);
      if (names.indexOf(name) < i) this.#add([...path, String(i)], `"${name}" is named twice`);
    }
  }

  #field(path: readonly string[], activity: string, name: string): void {
    const { activities } = this.#declared;
    if (!Object.hasOwn(activities, activity) || Object.hasOwn(activities[activity]!.fields, name)) return;
    this.#add(path, `the activity "${activity}" has no field "${name}"`);
  }

  #add(path: readonly string[], message: string): void {
    this.problems.push({ path, message });
  }
}
