/** Every house rule with the sentence that it enforces. A rule that is not listed here does not exist. */
import { noCircles } from "./circles.ts";
import { importRule } from "./imports.ts";
import { exactVersions, lockAgrees, reasonedPackages, usedPackages } from "./package.ts";
import {
  enoughFiles,
  fileLengths,
  fileNames,
  functionLengths,
  headerComments,
  lineWidths,
  noBarrels,
  noDefaultExports,
  rootList,
} from "./shape.ts";
import type { Rule } from "./source-file.ts";
import {
  glossary,
  noConsole,
  noLocalPlaces,
  nothingForLater,
  noUnfinishedTests,
  timeAndChance,
} from "./words.ts";

export const RULES: readonly (readonly [string, Rule])[] = [
  ["imports point one way", importRule],
  ["nothing imports itself", noCircles],
  ["the root stays small", rootList],
  ["enough files are seen", enoughFiles],
  ["files are named for their noun", fileNames],
  ["files are short", fileLengths],
  ["functions are short", functionLengths],
  ["lines are short", lineWidths],
  ["exports have names", noDefaultExports],
  ["nothing only passes on", noBarrels],
  ["files say what they are", headerComments],
  ["one word per thing", glossary],
  ["time and chance are passed in", timeAndChance],
  ["nothing prints behind the logger", noConsole],
  ["every test runs", noUnfinishedTests],
  ["nothing is left for later", nothingForLater],
  ["no place of one machine", noLocalPlaces],
  ["versions are exact", exactVersions],
  ["every package has a reason", reasonedPackages],
  ["every package is used", usedPackages],
  ["the lock agrees and names no host", lockAgrees],
];
