"""One line to the tables of a Muara lake, for notebooks: DuckDB asks, Polars shows.

    import muara
    lake = muara.connect()                                  # the lake near by: see connect()
    lake = muara.connect("../.muara")                       # a folder
    lake = muara.connect("s3://bucket/lake?region=eu-central-1")
    lake = muara.connect("finance.share")                   # a profile of Delta Sharing
    lake.sql("SELECT country, count(*) AS orders FROM ORDER_CREATED GROUP BY country")

Every table is a Delta table and is opened by delta-rs; no server of Muara takes part in reading a folder or S3, and no
extension of DuckDB is fetched while a notebook runs. Table names are those of Muara's own SQL: a type's name in quotes,
or with `_` for dots and dashes, in capitals or not. A statement sees each of its tables at one version.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import polars
import pyarrow.dataset
import pyarrow.fs

#: A version of a table, or a time: the rows that had been accepted by then.
At = int | datetime.datetime | str | None


def connect(place: str | os.PathLike[str] | None = None) -> Lake:
    """Opens a lake: a folder (of Muara's data or of the lake), an `s3://` address, or a `.share` profile.

    Without a place: the environment's `MUARA_LAKE`; the `.muara` of this folder or of one above it; the profile
    `~/.config/muara/profile.share`. On S3 the credentials are the environment's (`AWS_ACCESS_KEY_ID` and so on).
    Prints what it found. Raises FileNotFoundError where there is no lake.
    """
    address = os.fspath(place) if place is not None else _near_by()
    if address.startswith("s3://"):
        lake: Lake = _StoredLake.on_s3(address)
    elif os.path.isfile(address):
        lake = _SharedLake(address)
    else:
        lake = _StoredLake.in_folder(Path(address))
    print(f"{address}: {len(lake.tables())} tables")
    return lake


class Lake:
    """Tables by name. `tables`, `location` and `_open` know where they lie, the other methods do not."""

    #: What delta-rs wants to know about the store.
    storage_options: dict[str, str] = {}

    def tables(self) -> list[str]:
        """Names of all tables, in order."""
        raise NotImplementedError

    def location(self, name: str) -> str:
        """Where other tools find a table: an address of delta-rs, or `PROFILE#SHARE.SCHEMA.TABLE`."""
        raise NotImplementedError

    def _open(self, name: str, version: int | None) -> deltalake.DeltaTable:
        """The table at a version, or the newest."""
        raise NotImplementedError

    def sql(self, query: str, at: At = None) -> polars.DataFrame:
        """The answer of a statement, at the tables' newest versions, or as it would have been `at` an earlier point.

        A version is of one table, so a statement over several takes a time.
        """
        engine = _engine()
        tables = self.tables()
        wanted = {name: table for name in _mentioned(engine, query) if (table := _find(name, tables))}
        if isinstance(at, int) and len(wanted) > 1:
            raise ValueError(f"versions count per table, and the statement reads {len(wanted)}: give a time")
        for name, table in wanted.items():
            self._relation(engine, table, at).create_view(name)
        return engine.sql(query).pl()

    def table(self, name: str, at: At = None) -> duckdb.DuckDBPyRelation:
        """A table as a relation of DuckDB: `.filter(…)`, `.aggregate(…)`, then `.pl()`, `.df()` or `.arrow()`."""
        return self._relation(_engine(), self._known(name), at)

    def scan(self, name: str, at: At = None) -> polars.LazyFrame:
        """A table as a lazy frame of Polars; `.collect()` reads the columns and rows that are needed."""
        version, until = _split(at)
        frame = polars.scan_pyarrow_dataset(self._open(self._known(name), version).to_pyarrow_dataset())
        return frame if until is None else frame.filter(polars.col("ingest_time") <= until)

    def columns(self, name: str) -> polars.DataFrame:
        """What columns a table has, their types, and whether each row has a value."""
        fields = json.loads(self._open(self._known(name), None).schema().to_json())["fields"]
        rows = [(field["name"], _type_text(field["type"]), not field["nullable"]) for field in fields]
        return polars.DataFrame(rows, schema=["column", "type", "required"], orient="row")

    def version(self, name: str) -> int:
        """The number of the newest version of a table."""
        return int(self._open(self._known(name), None).version())

    def freshness(self, name: str) -> str:
        """How old the newest event of a table is, and up to what event time the table is complete (its watermark)."""
        newest, watermark = self.table(name).aggregate("max(ingest_time), max(watermark)").fetchone() or (None, None)
        if newest is None:
            return f"{name}: no events yet"
        behind = (datetime.datetime.now(datetime.timezone.utc) - newest).total_seconds()
        through = "nothing yet" if watermark is None else f"{watermark:%Y-%m-%d %H:%M:%S} UTC"
        return f"{name}: newest event accepted {behind:,.0f} s ago, complete through {through}"

    def _relation(self, engine: duckdb.DuckDBPyConnection, name: str, at: At) -> duckdb.DuckDBPyRelation:
        version, until = _split(at)
        relation = engine.from_arrow(self._open(name, version).to_pyarrow_dataset())
        return relation if until is None else relation.filter(f"ingest_time <= TIMESTAMPTZ '{until.isoformat()}'")

    def _known(self, name: str) -> str:
        tables = self.tables()
        found = _find(name, tables)
        if found is None:
            raise KeyError(f'there is no table "{name}"; there are {", ".join(tables)}')
        return found


class _StoredLake(Lake):
    """Tables that lie in a folder or on S3, each in a folder of its own."""

    def __init__(self, files: pyarrow.fs.FileSystem, root: str, address: str, options: dict[str, str]) -> None:
        self._files, self._root, self._address, self.storage_options = files, root, address, options

    @staticmethod
    def in_folder(place: Path) -> _StoredLake:
        root = place / "lake" if (place / "lake").is_dir() else place
        if not root.is_dir():
            raise FileNotFoundError(f"{root} is no folder; give muara.connect() the place of a lake")
        path = str(root.resolve())
        return _StoredLake(pyarrow.fs.LocalFileSystem(), path, path, {})

    @staticmethod
    def on_s3(address: str) -> _StoredLake:
        path, _, query = address.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        region, endpoint = asked.get("region", "us-east-1"), asked.get("endpoint")
        options = {"AWS_REGION": region}
        if endpoint is not None:
            options |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}
        files = pyarrow.fs.S3FileSystem(region=region, endpoint_override=endpoint)
        path = path.rstrip("/")
        return _StoredLake(files, path.removeprefix("s3://"), path, options)

    def tables(self) -> list[str]:
        found = self._files.get_file_info(pyarrow.fs.FileSelector(self._root))
        folders = [one.base_name for one in found if one.type == pyarrow.fs.FileType.Directory]
        logs = self._files.get_file_info([f"{self._root}/{name}/_delta_log" for name in folders])
        return sorted(name for name, log in zip(folders, logs) if log.type == pyarrow.fs.FileType.Directory)

    def location(self, name: str) -> str:
        return f"{self._address}/{self._known(name)}"

    def _open(self, name: str, version: int | None) -> deltalake.DeltaTable:
        return deltalake.DeltaTable(f"{self._address}/{name}", version=version, storage_options=self.storage_options)


class _SharedLake(Lake):
    """Tables of a share. What a version of one needs is fetched once, into a temporary folder, as a Delta table."""

    def __init__(self, profile: str) -> None:
        import delta_sharing  # only here, because it brings pandas
        from delta_sharing.protocol import DeltaSharingProfile
        from delta_sharing.rest_client import DataSharingRestClient

        self._profile = profile
        self._rest = DataSharingRestClient(DeltaSharingProfile.read_from_file(profile))
        shared = delta_sharing.SharingClient(profile).list_all_tables()
        names = [table.name for table in shared]
        # A name that is there twice is told apart by its schema.
        self._tables = {t.name if names.count(t.name) == 1 else f"{t.schema}.{t.name}": t for t in shared}
        self._folder = tempfile.TemporaryDirectory(prefix="muara-share-")

    def tables(self) -> list[str]:
        return sorted(self._tables)

    def location(self, name: str) -> str:
        table = self._tables[self._known(name)]
        return f"{self._profile}#{table.share}.{table.schema}.{table.name}"

    def version(self, name: str) -> int:
        return int(self._rest.query_table_version(self._tables[self._known(name)]).delta_table_version)

    def _open(self, name: str, version: int | None) -> deltalake.DeltaTable:
        self._rest.set_delta_format_header()
        answer = self._rest.list_files_in_table(self._tables[name], version=version)
        folder = Path(self._folder.name, urllib.parse.quote(name, safe=""))
        log = folder / f"at-{answer.delta_table_version}" / "_delta_log"
        log.mkdir(parents=True, exist_ok=True)
        (log / f"{0:020}.json").write_text("\n".join(self._action(json.loads(line), log) for line in answer.lines))
        return deltalake.DeltaTable(log.parent)

    @staticmethod
    def _action(line: dict[str, Any], log: Path) -> str:
        """A line of the answer as a line of a Delta log; the file that it names is beside the versions, then."""
        if "protocol" in line:
            return json.dumps({"protocol": line["protocol"]["deltaProtocol"]})
        if "metaData" in line:
            return json.dumps({"metaData": line["metaData"]["deltaMetadata"]})
        action, target = line["file"]["deltaSingleAction"], log.parent / f"{line['file']['id']}.parquet"
        kept = log.parent.parent / target.name
        if not kept.exists():
            part = kept.with_suffix(".part")
            with urllib.request.urlopen(action["add"]["path"]) as source, part.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            part.replace(kept)
        if not target.exists():
            os.link(kept, target)
        return json.dumps({"add": action["add"] | {"path": target.name}})


def _engine() -> duckdb.DuckDBPyConnection:
    engine = duckdb.connect()
    engine.execute("SET TimeZone = 'UTC'")  # hours and days are those of Muara's own SQL, wherever the notebook runs
    return engine


def _mentioned(engine: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    """Names of tables in a statement, by DuckDB's own parser; those of its `WITH` are among them."""
    [text] = engine.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone() or ["{}"]
    parsed = json.loads(text)
    if parsed["error"]:
        raise ValueError(f"{parsed['error_message']} (only SELECT is taken)")
    names, left = set[str](), [parsed]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                names.add(node["table_name"])
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)
    return names


def _near_by() -> str:
    named = os.environ.get("MUARA_LAKE")
    if named:
        return named
    here = Path.cwd()
    profile = Path.home() / ".config" / "muara" / "profile.share"
    for place in [*(folder / ".muara" for folder in [here, *here.parents]), profile]:
        if (place / "lake").is_dir() or place.is_file():
            return str(place)
    raise FileNotFoundError(f"no .muara in {here} or above it, no {profile}, no MUARA_LAKE: name a lake")


def _find(name: str, tables: list[str]) -> str | None:
    """What SQL calls `name`: a table's own name, ignoring case, or its alias where no other has the same."""
    own = [table for table in tables if table.lower() == name.lower()]
    aliased = [table for table in tables if re.sub(r"[^\w]", "_", table).lower() == name.lower()]
    return own[0] if own else aliased[0] if len(aliased) == 1 else None


def _split(at: At) -> tuple[int | None, datetime.datetime | None]:
    if at is None or isinstance(at, int):
        return at, None
    until = datetime.datetime.fromisoformat(at) if isinstance(at, str) else at
    return None, until if until.tzinfo else until.replace(tzinfo=datetime.timezone.utc)


def _type_text(kind: Any) -> str:
    """`array<struct<sku: string>>`, as Delta writes it."""
    if isinstance(kind, str):
        return kind
    if kind["type"] == "struct":
        fields = [f"{field['name']}: {_type_text(field['type'])}" for field in kind["fields"]]
        return f"struct<{', '.join(fields)}>"
    if kind["type"] == "array":
        return f"array<{_type_text(kind['elementType'])}>"
    return f"map<{_type_text(kind['keyType'])}, {_type_text(kind['valueType'])}>"
