"""What Dagster's catalog shows before anything is run, and that it is what a run writes."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from classface_assets.core.errors import UserError
from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.definitions import defs
from classface_assets.defs.catalog.columns import COLUMNS, OF_ONE_TABLE, describe_column
from classface_assets.defs.catalog.settings import CatalogSettings
from classface_assets.defs.catalog.tables import TABLES, StorageKind
from classface_assets.defs.loading.build import definitions_with
from classface_assets.orchestration.resources import Archive, LoggedProgress, Models
from classface_assets_tests.conftest import World

EVERY_TABLE = [table for tables in TABLES.values() for table in tables]


def node(asset: str, definitions: dg.Definitions | None = None) -> dg.AssetSpec:
    return (definitions or defs()).resolve_asset_graph().get(dg.AssetKey(asset)).to_asset_spec()


def test_every_asset_has_an_owner_a_code_version_its_source_line_and_what_it_holds_of_people() -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs().resolve_all_asset_specs()}
    assert set(specs) == set(TABLES)
    for name, spec in specs.items():
        assert spec.owners == ["team:archive"] and spec.tags["personal_data"] and spec.kinds, name
        assert spec.code_version and spec.code_version.isdecimal(), name
        assert str(spec.metadata["dagster/uri"]).startswith("file:///"), name
        (reference,) = spec.metadata["dagster/code_references"].code_references
        lines = Path(reference.file_path).read_text().splitlines()[reference.line_number - 1 :]
        assert any(line.startswith(f"def {name}(") for line in lines[:20]), name
    assert {name for name, spec in specs.items() if spec.freshness_policy} == {"images", "identities"}


def test_each_column_of_each_table_is_described_and_no_description_is_of_a_column_that_is_not_there() -> None:
    named: set[tuple[str, str]] = set()
    for table in EVERY_TABLE:
        for column in table.schema.columns if table.schema else ():
            assert column.description, f"{table.name}.{column.name}"
            named.add((table.name, column.name))
    assert set(OF_ONE_TABLE) <= {f"{table}.{column}" for table, column in named}
    assert set(COLUMNS) <= {column for _, column in named}
    with pytest.raises(KeyError):
        describe_column("images", "nobody described it")


def test_each_table_belongs_to_one_asset_and_all_tables_of_the_database_are_there() -> None:
    names = [table.qualified_name for table in EVERY_TABLE if table.qualified_name]
    assert len(names) == len(set(names))
    assert {table.name for table in EVERY_TABLE if table.storage is StorageKind.DATABASE} == set(DUCKDB_TABLES)


def test_what_a_run_writes_is_what_the_catalog_declares(finished: World) -> None:
    declared = {table.name: table for table in EVERY_TABLE if table.storage is StorageKind.TABLE}
    written = sorted((finished.layout.table("any").parent).glob("*.parquet"))
    assert {file.stem for file in written} >= {"identities", "changes", "face_groups", "face_space", "knn_graph"}
    for file in written:
        columns, schema = pl.read_parquet_schema(file), declared[file.stem].schema
        assert schema is not None and list(columns) == [column.name for column in schema.columns], file.stem
    for table in DUCKDB_TABLES:
        stored = finished.query(
            f"SELECT column_name, is_nullable FROM information_schema.columns "
            f"WHERE table_name = '{table}' ORDER BY ordinal_position"
        )
        schema = next(one.schema for one in EVERY_TABLE if one.name == table and one.storage is StorageKind.DATABASE)
        assert schema is not None
        shown = [(c.name, "YES" if c.constraints.nullable else "NO") for c in schema.columns]
        assert shown == stored.rows(), table


def test_an_asset_shows_every_table_that_it_writes_with_its_columns() -> None:
    metadata = node("identities").metadata
    listed, others = metadata["writes"].value, metadata["columns of other tables"].value
    for table in TABLES["identities"]:
        assert f"| {table.qualified_name} | {table.description} |" in listed
    assert [c.name for c in metadata["columns of ledger"].columns][:2] == ["ledger_id", "decisions"]
    assert "### cluster_numbers" in others and "| highest | Int64 | The greatest number" in others


def test_columns_come_from_columns_that_are_there() -> None:
    specs = {spec.key: spec for spec in defs().resolve_all_asset_specs()}
    columns = {
        key: {c.name for c in spec.metadata["dagster/column_schema"].columns}
        for key, spec in specs.items()
        if "dagster/column_schema" in spec.metadata
    }
    lineages = {
        key: spec.metadata["dagster/column_lineage"]
        for key, spec in specs.items()
        if "dagster/column_lineage" in spec.metadata
    }
    assert len(lineages) == 6
    for key, lineage in lineages.items():
        for column, sources in lineage.deps_by_column.items():
            assert column in columns[key]
            for source in sources:
                assert source.column_name in columns[source.asset_key]
                assert source.asset_key in {dep.asset_key for dep in specs[key].deps}


def test_owners_and_repository_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSFACE_OWNERS", "team:library, anna@school.example")
    monkeypatch.setenv("CLASSFACE_REPOSITORY", "git@github.com:school/classface.git")
    monkeypatch.setenv("CLASSFACE_REVISION", "v2")
    archive = Archive(photos="p", data="s3://bucket/data", local="l")
    resources = {"archive": archive, "models": Models(pack="builtin"), "progress": LoggedProgress()}
    spec = node("knn_graph", definitions_with(resources))
    assert list(spec.owners) == ["team:library", "anna@school.example"]
    (reference,) = spec.metadata["dagster/code_references"].code_references
    page = "https://github.com/school/classface/tree/v2/classface_assets/defs/identity/knn_graph.py#L"
    assert reference.url.startswith(page)
    assert spec.metadata["dagster/uri"] == "s3://bucket/data/tables/knn_graph.parquet"


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("CLASSFACE_OWNERS", "the archive", "neither a team nor an e-mail address; write it as team:archive or"),
        ("CLASSFACE_REPOSITORY", "https://example.org/x", "set it to the address of a repository on GitHub or GitLab"),
        ("CLASSFACE_FRESH_DAYS", "a year", "set it to a number of days, such as 200"),
    ],
)
def test_a_setting_of_the_catalog_that_cannot_be_used_is_refused_in_a_sentence(
    variable: str, value: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        CatalogSettings.from_environment({variable: value})


def test_a_password_in_the_address_of_the_repository_is_shown_nowhere() -> None:
    settings = CatalogSettings.from_environment({"CLASSFACE_REPOSITORY": "https://me:secret@gitlab.com/a/b.git"})
    assert settings.repository == "https://gitlab.com/a/b"
