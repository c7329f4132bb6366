"""The assignments in a few numbers: how many faces have a name, a cluster, or neither."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

_BINS = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, None))


@dataclass(frozen=True)
class Summary:
    """Counts of faces, but for `persons` and `clusters`. `sizes`: how many persons and clusters have so many faces."""

    faces: int
    assigned: int
    persons: int
    clustered: int
    clusters: int
    sizes: pl.DataFrame

    @property
    def unlabelled(self) -> int:
        return self.faces - self.assigned

    @property
    def noise(self) -> int:
        return self.unlabelled - self.clustered

    def share(self, count: int) -> float:
        """Of all faces, 0 to 1."""
        return count / self.faces if self.faces else 0.0


def summarize(rows: pl.DataFrame) -> Summary:
    """rows: ASSIGNMENTS."""
    named = rows.filter(pl.col("person_id").is_not_null())
    unknown = rows.filter(pl.col("person_id").is_null() & pl.col("cluster_id").str.starts_with("unknown_cluster_"))
    persons, clusters = (part.group_by("cluster_id").len("size") for part in (named, unknown))
    return Summary(
        rows.height, named.height, persons.height, unknown.height, clusters.height, _sizes(persons, clusters)
    )


def _sizes(persons: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    lines = []
    for low, high in _BINS:
        name = str(low) if low == high else f"{low}-{high}" if high else f"{low} and more"
        inside = pl.col("size").is_between(low, high or 2**31)
        lines.append((name, persons.filter(inside).height, clusters.filter(inside).height))
    schema = {"faces": pl.String, "persons": pl.Int64, "unknown clusters": pl.Int64}
    table = pl.DataFrame(lines, schema=schema, orient="row")
    return table.filter((pl.col("persons") > 0) | (pl.col("unknown clusters") > 0))


def summary_lines(told: Summary) -> Iterator[str]:
    """The summary as text."""
    yield f"Faces processed:      {told.faces:,}"
    yield f"  assigned to people: {told.assigned:,} ({told.share(told.assigned):.1%})"
    yield f"  people matched:     {told.persons:,}"
    yield f"Unlabelled faces:     {told.unlabelled:,}"
    yield f"  clusters found:     {told.clusters:,} with {told.clustered:,} faces"
    yield f"  noise:              {told.noise:,} ({told.share(told.noise):.1%})"
    if told.sizes.height:
        yield "Sizes:   faces      people   unknown clusters"
        for faces, persons, clusters in told.sizes.iter_rows():
            yield f"  {faces:>12}  {persons:>10,}  {clusters:>17,}"
