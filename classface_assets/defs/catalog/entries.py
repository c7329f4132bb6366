"""What Dagster's catalog shows of each asset before it was ever run: tables, places, owners, tags, links to the source.

Nothing is read here, neither the archive nor the source: the archive may be at a URL, or away.
"""

import inspect
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.catalog.lineage import column_lineage
from classface_assets.defs.catalog.settings import CatalogSettings, platform_of
from classface_assets.defs.catalog.tables import TABLES, StorageKind, StoredTable
from classface_assets.defs.metadata import markdown_table
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.settings.archive_names import ALONE, names_of
from classface_assets.store.artifacts.memoization import PACKAGE_FOLDER

PERSONAL_DATA_TAG = "personal_data"
"""Tag of an asset: what it holds of people, for who has to know what is stored about them."""
_PERSONAL_DATA = {
    "images": "photos",
    "detections": "faces",
    "embeddings": "biometric",
    "face_tables": "names",
    "knn_graph": "biometric",
    "cluster_assignments": "biometric",
    "projection_head": "biometric",
    "identities": "names",
    "evaluation": "numbers",
    "student_coverage": "numbers",
    "albums": "names",
    "album_site": "names",
}
_READS_ITS_PAST = {
    "cluster_assignments": "cluster_assignments: face_groups, face_candidates, pair_scores, face_terms, face_space; "
    "identities: identities, cluster_memory, cluster_numbers. The numbers of groups stay from run to run, new faces "
    "join the groups that there are, and only what is new is compared with the people who were named before.",
    "identities": "identities, cluster_memory, cluster_numbers, changes. Groups of unknown faces keep their numbers; "
    "a run that touches only some faces leaves the others as they were published.",
    "face_tables": "identities: the names of the last publication stay in the database until there are new ones.",
}
"""Asset → what it reads of earlier runs. Dagster knows dependencies on an asset's own past of time partitions only."""
FRESH_ASSETS = ("images", "identities")
"""Assets that should be renewed from time to time: photos come every term, and names with them."""


def in_catalog(
    assets: Iterable[dg.AssetsDefinition], archive: Archive | None, settings: CatalogSettings
) -> list[dg.AssetsDefinition]:
    """The assets with all that the catalog shows of them.

    Args:
        assets: As their modules define them, one key each.
        archive: The resource; None where no place is known.
        settings: Owners, repository, freshness.

    Returns:
        The assets in their order.
    """
    layout = None if archive is None else configured(archive).layout
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # code references
        described = [_describe(asset, layout, settings) for asset in assets]
        return _link_to_repository(described, settings) if settings.repository else described


def _link_to_repository(assets: Sequence[dg.AssetsDefinition], settings: CatalogSettings) -> list[dg.AssetsDefinition]:
    """The assets with links to GitHub or GitLab in the place of files of this machine."""
    linked = dg.link_code_references_to_git(
        assets,
        git_url=settings.repository,
        git_branch=settings.revision,
        platform=platform_of(settings.repository),  # type: ignore[arg-type] # github or gitlab
        file_path_mapping=dg.AnchorBasedFilePathMapping(PACKAGE_FOLDER, PACKAGE_FOLDER.name),
    )
    return [asset for asset in linked if isinstance(asset, dg.AssetsDefinition)]


def _describe(
    asset: dg.AssetsDefinition, layout: ArchiveLayout | None, settings: CatalogSettings
) -> dg.AssetsDefinition:
    name = asset.key.to_user_string()
    metadata = {**asset.metadata_by_key[asset.key], **_code_reference(asset), **catalog_metadata(name, layout)}
    freshness = dg.FreshnessPolicy.time_window(settings.fail_window, settings.warn_window)
    return asset.map_asset_specs(
        lambda spec: spec.replace_attributes(
            metadata=metadata,
            owners=list(settings.owners),
            tags={**spec.tags, PERSONAL_DATA_TAG: _PERSONAL_DATA[name]},
            freshness_policy=freshness if name in FRESH_ASSETS else None,
        )
    )


def catalog_metadata(asset: str, layout: ArchiveLayout | None) -> dict[str, Any]:
    """The tables of an asset, as definition metadata.

    Args:
        asset: Its name.
        layout: The archive; None where no place is known.
    """
    main, *others = TABLES[asset]
    place = {} if layout is None else {"dagster/uri": main.uri(layout)}
    listed = pl.DataFrame(
        [(one.qualified_name or one.name, one.description) for one in TABLES[asset]],
        schema=["table", "what it holds"],
        orient="row",
    )
    values = {
        "dagster/table_name": main.qualified_name,
        "dagster/column_schema": main.schema,
        "dagster/column_lineage": column_lineage(asset, ALONE if layout is None else names_of(layout)),
        "writes": markdown_table(listed, most=30),
        **{f"columns of {one.name}": one.schema for one in others if one.storage is StorageKind.DATABASE},
        "columns of other tables": _columns_markdown([one for one in others if one.columns is not None]),
        "reads_its_own_past": _READS_ITS_PAST.get(asset),
    }
    return {**place, **{key: value for key, value in values.items() if value is not None}}


def _columns_markdown(tables: Sequence[StoredTable]) -> dg.MetadataValue | None:
    """The columns of Parquet tables in one text: short schemas of their own are laid open in the page, and cut off."""
    if not tables:
        return None
    texts = []
    for table in tables:
        schema = table.schema.columns if table.schema else ()
        rows = [(column.name, column.type, column.description or "") for column in schema]
        frame = pl.DataFrame(rows, schema=["column", "type", "what it holds"], orient="row")
        texts.append(f"### {table.name}\n\n{markdown_table(frame, most=60).value}")
    return dg.MetadataValue.md("\n\n".join(texts))


def _code_reference(asset: dg.AssetsDefinition) -> Mapping[str, Any]:
    """File and line of the function itself; `with_source_code_references` takes the file of its outermost decorator."""
    code = inspect.unwrap(_function_of(asset)).__code__
    line = dg.LocalFileCodeReference(file_path=code.co_filename, line_number=code.co_firstlineno)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[line])}


def _function_of(asset: dg.AssetsDefinition) -> Any:
    decorated = asset.op.compute_fn
    return getattr(decorated, "decorated_fn", decorated)


def configured(archive: Archive) -> Archive:
    """The same archive with the values of the environment variables that it names."""
    values: dict[str, Any] = {
        name: value.get_value() if isinstance(value, dg.EnvVar) else value
        for name, value in ((name, getattr(archive, name)) for name in type(archive).model_fields)
    }
    return Archive(**{name: value for name, value in values.items() if value is not None})
