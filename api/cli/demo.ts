/** `muara demo`: a small shop with two days of history and live traffic. */
import { duration, wholeNumber, type AddCommand } from "./command.ts";

const SEED_DEFAULT = "7";
const RATE_DEFAULT = "60";

export const addDemo: AddCommand = (program, run) => {
  program
    .command("demo")
    .description("a seeded shop: two days of history, live traffic, a job, a process and a rule over it")
    .option("--seed <number>", "the same seed gives the same events", SEED_DEFAULT)
    .option("--rate <number>", "orders per minute of live traffic", RATE_DEFAULT)
    .option("--fresh", "begin with an empty folder")
    .option("--exit-after <duration>", "stop after e.g. 60s and print the outcome")
    .option("--no-open", "do not open the dashboard in a browser")
    .option("--port <number>", "TCP port (MUARA_PORT; default 8080)")
    .action(
      run(async ({ services, flags }, command) => {
        const options = command.optsWithGlobals<Record<string, string | boolean | undefined>>();
        const text = (name: string): string | undefined =>
          typeof options[name] === "string" ? options[name] : undefined;
        const port = text("port");
        const exitAfter = text("exitAfter");
        return await services.demo({
          data: text("data"),
          port: port === undefined ? undefined : wholeNumber("--port", port, 0, 65_535),
          seed: wholeNumber("--seed", text("seed") ?? SEED_DEFAULT, 0, 4_294_967_295),
          rate: wholeNumber("--rate", text("rate") ?? RATE_DEFAULT, 0, 1_000_000),
          isFresh: options["fresh"] === true,
          exitAfterMs: exitAfter === undefined ? undefined : duration("--exit-after", exitAfter),
          opensBrowser: options["open"] !== false && services.io.stdout.isTTY === true,
          output: flags.output,
          signal: services.io.signal,
        });
      }),
    );
};
