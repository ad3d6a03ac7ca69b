/**
 * The actions of the Delta log (PROTOCOL.md of delta-io/delta, "Actions") between our types and plain fields. The
 * same readers serve commit files (JSON) and table checkpoints (Parquet).
 */
import { MuaraError } from "../../core/errors.ts";
import type { AddFile, RemoveFile, TableMetadata, Txn } from "../../core/ports/table-log.ts";
import {
  bigintField,
  booleanField,
  type Fields,
  integerField,
  isFields,
  nullableTextMap,
  optionalInteger,
  optionalText,
  textField,
  textList,
  textMap,
} from "./json-fields.ts";

export interface Protocol {
  readonly minReaderVersion: number;
  readonly minWriterVersion: number;
}

/** What every reader that we know reads, without any table feature. */
export const PROTOCOL: Protocol = { minReaderVersion: 1, minWriterVersion: 2 };

/** @throws table.unsupported beyond reader 1 / writer 2 */
export function readProtocol(fields: Fields): Protocol {
  const protocol = {
    minReaderVersion: integerField(fields, "minReaderVersion"),
    minWriterVersion: integerField(fields, "minWriterVersion"),
  };
  const features = [...textList(fields, "readerFeatures"), ...textList(fields, "writerFeatures")];
  if (
    protocol.minReaderVersion > PROTOCOL.minReaderVersion ||
    protocol.minWriterVersion > PROTOCOL.minWriterVersion ||
    features.length > 0
  ) {
    const details = { ...protocol, features };
    throw new MuaraError("table.unsupported", "the table's protocol is beyond reader 1 / writer 2", {
      details,
    });
  }
  return protocol;
}

/** @throws table.unsupported for data that is not Parquet */
export function readMetadata(fields: Fields): TableMetadata {
  const format = fields["format"];
  const provider = isFields(format) ? optionalText(format, "provider") : undefined;
  if (provider !== undefined && provider !== "parquet") {
    throw new MuaraError("table.unsupported", "the table's data is not Parquet", { details: { provider } });
  }
  return {
    id: textField(fields, "id"),
    name: optionalText(fields, "name") ?? "",
    schemaString: textField(fields, "schemaString"),
    partitionColumns: textList(fields, "partitionColumns"),
    configuration: textMap(fields, "configuration"),
    createdTime: optionalInteger(fields, "createdTime") ?? 0,
  };
}

export function metadataFields(metadata: TableMetadata): Fields {
  const { id, name, schemaString, partitionColumns, configuration, createdTime } = metadata;
  const format = { provider: "parquet", options: {} };
  return { id, name, format, schemaString, partitionColumns, configuration, createdTime };
}

/** @throws table.unsupported for a deletion vector */
export function readAdd(fields: Fields): AddFile {
  if (isFields(fields["deletionVector"])) {
    throw new MuaraError("table.unsupported", "the table has deletion vectors");
  }
  const stats = optionalText(fields, "stats");
  const tags = isFields(fields["tags"]) ? textMap(fields, "tags") : undefined;
  return {
    path: textField(fields, "path"),
    partitionValues: nullableTextMap(fields, "partitionValues"),
    size: integerField(fields, "size"),
    modificationTime: integerField(fields, "modificationTime"),
    dataChange: booleanField(fields, "dataChange"),
    ...(stats === undefined ? {} : { stats }),
    ...(tags === undefined ? {} : { tags }),
  };
}

export function readRemove(fields: Fields): RemoveFile {
  return {
    path: textField(fields, "path"),
    deletionTimestamp: optionalInteger(fields, "deletionTimestamp") ?? 0,
    dataChange: booleanField(fields, "dataChange"),
  };
}

/** The version must have been read as a bigint: 63-bit hashes travel in it. */
export function readTxn(fields: Fields): Txn {
  return { appId: textField(fields, "appId"), version: bigintField(fields, "version") };
}
