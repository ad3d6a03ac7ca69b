/** The Parquet schema of a table checkpoint: the columns that every Delta reader tried was content with. */
import type { SchemaElement } from "hyparquet";

const leaf = (name: string, type: "INT64" | "INT32" | "BOOLEAN"): SchemaElement => ({
  name,
  type,
  repetition_type: "OPTIONAL",
});

const text = (name: string, isRequired = false): SchemaElement => ({
  name,
  type: "BYTE_ARRAY",
  repetition_type: isRequired ? "REQUIRED" : "OPTIONAL",
  converted_type: "UTF8",
  logical_type: { type: "STRING" },
});

const map = (name: string): readonly SchemaElement[] => [
  {
    name,
    repetition_type: "OPTIONAL",
    num_children: 1,
    converted_type: "MAP",
    logical_type: { type: "MAP" },
  },
  { name: "key_value", repetition_type: "REPEATED", num_children: 2 },
  text("key", true),
  text("value"),
];

const list = (name: string): readonly SchemaElement[] => [
  {
    name,
    repetition_type: "OPTIONAL",
    num_children: 1,
    converted_type: "LIST",
    logical_type: { type: "LIST" },
  },
  { name: "list", repetition_type: "REPEATED", num_children: 1 },
  text("element"),
];

/** A group of columns; each child is a leaf or the elements of a nested group. */
const group = (
  name: string,
  ...children: readonly (SchemaElement | readonly SchemaElement[])[]
): readonly SchemaElement[] => [
  { name, repetition_type: "OPTIONAL", num_children: children.length },
  ...children.flat(),
];

export const CHECKPOINT_SCHEMA: readonly SchemaElement[] = [
  { name: "schema", num_children: 5 },
  ...group("txn", text("appId"), leaf("version", "INT64"), leaf("lastUpdated", "INT64")),
  ...group(
    "add",
    text("path"),
    map("partitionValues"),
    leaf("size", "INT64"),
    leaf("modificationTime", "INT64"),
    leaf("dataChange", "BOOLEAN"),
    text("stats"),
    map("tags"),
  ),
  ...group("remove", text("path"), leaf("deletionTimestamp", "INT64"), leaf("dataChange", "BOOLEAN")),
  ...group(
    "metaData",
    text("id"),
    text("name"),
    text("description"),
    group("format", text("provider"), map("options")),
    text("schemaString"),
    list("partitionColumns"),
    map("configuration"),
    leaf("createdTime", "INT64"),
  ),
  ...group("protocol", leaf("minReaderVersion", "INT32"), leaf("minWriterVersion", "INT32")),
];
