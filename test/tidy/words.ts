/**
 * Words and calls that are not used here, each with what to write instead. The words come from
 * `docs/GLOSSARY.md`; only those are banned that a careful writer would take by habit, and only in code and
 * comments: quoted text, in backquotes too, is what users, protocols and other systems say.
 */
import {
  findAll,
  isCode,
  isTestOrBench,
  lineAt,
  splitText,
  type Rule,
  type SourceFile,
} from "./source-file.ts";

interface Word {
  /** A part of an identifier or a word of a comment, lower case, compared without plural s. */
  readonly word: string;
  readonly say: string;
  /** Lines where the word is somebody else's: another system's term. */
  readonly unless?: RegExp;
  /** Files where it is the right word. */
  readonly in?: RegExp;
}

const WORDS: readonly Word[] = [
  { word: "quarantine", say: "dead letter" },
  {
    word: "topic",
    say: "stream (topic is Kafka's)",
    unless: /kafka|topic.?id|<topic>|watchLive/i,
    in: /^((test\/)?adapters|test\/services|test\/fire|bench)\/kafka/,
  },
  {
    word: "bucket",
    say: "window (bucket is S3's)",
    unless: /s3:|\bS3\b|_bucket/,
    in: /^(test\/)?adapters\/(s3\/|open\.ts)/,
  },
  { word: "bookmark", say: "cursor" },
  { word: "cdc", say: "capture" },
  { word: "connector", say: "adapter" },
  { word: "alarm", say: "alert" },
  { word: "vacuum", say: "sweep (vacuum is Delta's name for it)", unless: /delta|delta-rs|spark/i },
  { word: "whitelist", say: "allow-list" },
  { word: "blacklist", say: "deny-list" },
  { word: "lmdb", say: "the embedded log keeps no database" },
  { word: "msg", say: "event, record or the whole word" },
  { word: "evt", say: "event" },
  { word: "cfg", say: "config" },
  { word: "ctx", say: "context" },
  { word: "ack", say: "acknowledge", unless: /kafka|acks/i },
];

/** `message` alone is fine (an error has one); as a name for an event it is not. */
const MESSAGE_AS_EVENT =
  /\b[mM]essage(?:Id|Key|Count|Offset|Time|Batch|Bytes)s?\b|\b(?:event|kafka)Message\b/g;

/** Splits `someWordHTTP_x` into its parts. */
const PARTS = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g;

export const glossary: Rule = (files) =>
  files.filter(isCode).flatMap((file) => {
    const { code, comments } = splitText(file.text);
    return [
      ...findAll(file, code, MESSAGE_AS_EVENT, "an event or a record, not a message"),
      ...bannedWords(file, code),
      ...bannedWords(file, comments),
    ];
  });

function bannedWords(file: SourceFile, searched: string): readonly string[] {
  const lines = file.text.split("\n");
  const withoutQuotes = searched.replaceAll(/`[^`\n]*`/g, (quoted) => " ".repeat(quoted.length));
  return withoutQuotes.split("\n").flatMap((line, i) =>
    [...line.matchAll(PARTS)].flatMap(([part]) => {
      const lower = part.toLowerCase();
      const banned = WORDS.find(({ word }) => lower === word || lower === `${word}s`);
      if (!banned || banned.in?.test(file.path) || banned.unless?.test(lines[i]!)) return [];
      return [`${file.path}:${i + 1} "${part}": say ${banned.say}`];
    }),
  );
}

/** Where the real clock and real chance live; tests and benches measure with them. */
const REAL_WORLD = /^(core\/clock\.ts|muara\.ts|adapters\/|test\/|bench\/|docs\/|api\/dashboard\/)/;
const REAL_TIME_OR_CHANCE = new RegExp(
  [
    String.raw`\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|(?<![.\w])set(?:Timeout|Interval)\(`,
    String.raw`\bMath\.random\(|\brandomUUID\(`,
  ].join("|"),
  "g",
);

/** A simulation is a lie where time or chance are taken from the machine behind its back. */
export const timeAndChance: Rule = (files) =>
  files
    .filter((file) => isCode(file) && !REAL_WORLD.test(file.path))
    .flatMap((file) =>
      findAll(
        file,
        splitText(file.text).code,
        REAL_TIME_OR_CHANCE,
        "take a Clock or Randomness (core/clock.ts) as a parameter",
      ),
    );

export const noConsole: Rule = (files) =>
  files
    .filter((file) => isCode(file) && !isTestOrBench(file.path))
    .flatMap((file) =>
      findAll(
        file,
        splitText(file.text).code,
        /\bconsole\s*\./g,
        "take a Logger, or write to the stream given",
      ),
    );

const UNFINISHED_TEST =
  /\.(?:only|skip|todo|skipIf|runIf|fails)\b\s*[(.]|(?<![.\w])(?:xit|xtest|xdescribe|fit|fdescribe)\(/g;

export const noUnfinishedTests: Rule = (files) =>
  files
    .filter((file) => isCode(file) && file.path.startsWith("test/"))
    .flatMap((file) =>
      findAll(file, splitText(file.text).code, UNFINISHED_TEST, "every test runs, everywhere, and must pass"),
    );

const LATER = /\b(?:TODO|FIXME|XXX|HACK)\b/g;

export const nothingForLater: Rule = (files) =>
  files
    .filter((file) => isCode(file) || file.path.endsWith(".md"))
    .flatMap((file) =>
      findAll(
        file,
        isCode(file) ? splitText(file.text).comments : file.text,
        LATER,
        "do it, or open an issue",
      ),
    );

/** Places of one machine or one network, which mean nothing anywhere else. The home of tidy itself is left out. */
const LOCAL_PLACE =
  /(?<![\w.*-])\/(?:root|work|home|Users)\/[\w.-]+|\bregistry\.[\w.-]+\.\w+|\bfile:\/\/\/(?!\$)\w+/g;

export const noLocalPlaces: Rule = (files) =>
  files
    .filter((file) => !file.path.startsWith("test/tidy"))
    .flatMap((file) =>
      [...file.text.matchAll(LOCAL_PLACE)].map(
        (match) => `${file.path}:${lineAt(file.text, match.index)} "${match[0]}" is a place of one machine`,
      ),
    );
