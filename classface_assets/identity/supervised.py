"""First the people that are known: labelled faces, faces like them, and groups of faces that continue a person."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.identity.clustering import cluster
from classface_assets.identity.enrolment import Enrolment
from classface_assets.identity.follow import Chase, crowding, follow, strangers
from classface_assets.identity.known import Margins, Shortlist, margins, match_known, shortlist
from classface_assets.identity.linkage import Gaps, measure_archive
from classface_assets.identity.material import Material
from classface_assets.identity.prototypes import Prototypes, build_prototypes
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.spoken import Rules

LABELLED = "labelled"
IMPLIED = "said to be the same as a labelled face"


@dataclass(frozen=True)
class Named:
    """For each of n faces its person's number or -1, the score, and the reason (null where there is no person)."""

    persons: np.ndarray
    scores: np.ndarray
    reasons: pl.Series

    def without(self, rows: np.ndarray) -> "Named":
        """The same with these faces nobody's."""
        persons = self.persons.copy()
        persons[rows] = -1
        return Named(persons, self.scores, pl.select(pl.when(pl.lit(persons >= 0)).then(self.reasons)).to_series())


def name_known(material: Material, rules: Rules, settings: AssignmentSettings) -> Named:
    """Who each face is, as far as it is somebody known. A labelled face never moves; rejected pairs never come true.

    With `include_identified` only what people said counts.
    """
    named = _said(rules)
    if settings.include_identified or not rules.persons:
        return named
    owners = rules.owners
    prototypes = prototypes_of(material, rules, settings)
    needed = margins(prototypes, rules.siblings, settings)
    rest = np.flatnonzero((owners < 0) & ~rules.left_out)
    forbidden = _forbidden(rules, owners)
    roster = Enrolment(rules.enrolled, settings.absence * settings.person_margin)
    listed = shortlist(rest, material.vectors, material.years, prototypes, forbidden, settings, roster)
    found = match_known(rest, rules.photos, listed, needed, settings)
    named = _told(
        named, found.faces, found.persons, found.scores, _by_likeness(found.scores, found.support, found.margins)
    )
    if settings.follow_years and settings.assign == "prototype":
        named = _follow(named, material, rules, rest, listed, needed, settings)
    return _parted(named, rules)


def prototypes_of(material: Material, rules: Rules, settings: AssignmentSettings) -> Prototypes:
    """knn compares with every labelled face, the other methods with the best ones and their mean. A portrait that a
    person was enrolled with counts as one more labelled face, the best, of an unknown year."""
    known = np.flatnonzero(rules.owners >= 0)
    portraits = len(rules.portrayed)
    exemplars = len(known) + portraits if settings.assign == "knn" else settings.person_exemplars
    made = build_prototypes(
        np.concatenate([material.vectors[known], rules.enrolled_with.reshape(portraits, material.vectors.shape[1])]),
        np.append(material.years[known], np.full(portraits, np.nan)),
        np.append(material.quality[known], np.ones(portraits)),
        np.append(rules.owners[known], rules.portrayed),
        len(rules.persons),
        exemplars,
    )
    made = replace(made, faces=np.append(known, np.full(portraits + 1, -1))[made.faces])
    return made.only(~made.centroid) if settings.assign == "knn" else made


def _said(rules: Rules) -> Named:
    owners = rules.owners
    reasons = pl.select(
        pl.when(pl.lit(rules.confirmed >= 0)).then(pl.lit(LABELLED)).when(pl.lit(owners >= 0)).then(pl.lit(IMPLIED))
    ).to_series()
    return Named(owners, np.where(owners >= 0, 1.0, np.nan).astype(np.float32), reasons)


def _told(named: Named, rows: np.ndarray, persons: np.ndarray, scores: np.ndarray, reasons: pl.Series) -> Named:
    """With these faces named too."""
    all_persons, all_scores = named.persons.copy(), named.scores.copy()
    all_persons[rows], all_scores[rows] = persons, scores
    new = pl.DataFrame({"row": rows, "new": reasons}, schema={"row": pl.Int64, "new": pl.String})
    old = pl.DataFrame({"old": named.reasons}).with_row_index("row").cast({"row": pl.Int64})
    both = old.join(new, on="row", how="left", maintain_order="left")
    return Named(all_persons, all_scores, both.select(pl.coalesce("new", "old").alias("reason")).to_series())


def _by_likeness(scores: np.ndarray, support: np.ndarray, lead: np.ndarray) -> pl.Series:
    told = pl.DataFrame({"score": scores, "support": support, "margin": lead}).cast({"support": pl.Int64})
    ending = pl.when(pl.col("support") == 1).then(pl.lit("")).otherwise(pl.lit("s"))
    return told.select(
        pl.format("{} to {} prototype{}, margin {}", _short("score"), "support", ending, _short("margin"))
    ).to_series()


def _short(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64).round(3).cast(pl.String)


def _forbidden(rules: Rules, owners: np.ndarray) -> np.ndarray:
    """(q, 2) face row and person: the rejected, those who are in that photo, and cannot-links to their faces."""
    rows = np.arange(len(owners))
    known = owners >= 0
    theirs = pl.DataFrame({"photo": rules.photos[known], "person": owners[known]}).unique()
    others = pl.DataFrame({"photo": rules.photos[~known], "row": rows[~known]})
    mates = others.join(theirs, on="photo").select("row", "person").to_numpy().reshape(-1, 2)
    both_ways = np.vstack([rules.cannot, rules.cannot[:, ::-1]])
    apart = both_ways[known[both_ways[:, 1]] & ~known[both_ways[:, 0]]]
    apart = np.column_stack([apart[:, 0], owners[apart[:, 1]]])
    return np.unique(np.vstack([rules.rejected, mates, apart]).astype(np.int64), axis=0)


def _follow(
    named: Named,
    material: Material,
    rules: Rules,
    rest: np.ndarray,
    listed: Shortlist,
    needed: Margins,
    settings: AssignmentSettings,
) -> Named:
    """Groups of faces that nobody got yet, each given to the person whose faces, or portrait, it continues."""
    unknown = np.flatnonzero((named.persons < 0) & ~rules.left_out)
    if not len(unknown):
        return named
    strict = replace(
        settings,
        method="temporal",
        cluster_threshold=settings.follow_group_threshold,
        attach_threshold=2.0,
        min_cluster_size=2,
    )
    groups = np.full(len(named.persons), -1, np.int64)
    groups[unknown] = _each_its_own(cluster(material.subset(unknown), strict))
    likely = np.column_stack([np.repeat(groups[rest], listed.persons.shape[1]), listed.persons.ravel()])
    barred = _forbidden(rules, named.persons)
    measured = material.measured or measure_archive(material, settings)
    portraits = len(rules.portrayed)
    every = np.concatenate([material.vectors, rules.enrolled_with]) if portraits else material.vectors
    vectors = measured.blind.space(every).vectors
    chase = Chase(
        vectors,
        np.append(material.years, np.full(portraits, np.nan)),
        np.append(rules.photos, rules.photos.max(initial=0) + 1 + np.arange(portraits)),
        crowding(vectors, vectors[strangers(groups, named.persons)]),
        np.append(named.persons, rules.portrayed),
        np.append(groups, np.full(portraits, -1)),
        len(rules.persons),
        material.pairs,
        _of_groups(groups, barred),
        Enrolment(rules.enrolled, settings.absence * settings.follow_margin),
    )
    wider = replace(needed, usual=settings.follow_margin, alike=1.5 * settings.follow_margin)
    gaps = Gaps(settings.follow_fade_years, 0.0)
    found = follow(chase, likely[(likely >= 0).all(axis=1)], settings.follow_threshold, wider.between, gaps)
    rows = unknown[found.persons[groups[unknown]] >= 0]
    person, group = found.persons[groups[rows]], groups[rows]
    sizes = np.bincount(groups[unknown])
    scores = np.einsum("ij,ij->i", material.vectors[rows], needed.centres[person])
    return _told(named, rows, person, scores, _by_group(sizes[group], found.scores[group], found.margins[group]))


def _by_group(sizes: np.ndarray, likeness: np.ndarray, lead: np.ndarray) -> pl.Series:
    told = pl.DataFrame({"size": sizes, "likeness": likeness, "margin": lead})
    of = pl.when(pl.col("size") == 1).then(pl.lit("alone")).otherwise(pl.format("with {} more", pl.col("size") - 1))
    words = pl.format(
        "{} liker to the person's faces of near years than strangers are, {}, margin {}",
        _short("likeness"),
        of,
        _short("margin"),
    )
    return told.select(words).to_series()


def _each_its_own(labels: np.ndarray) -> np.ndarray:
    """Group numbers from 0, with every face that was alone a group of its own."""
    alone = labels < 0
    numbered = labels.copy()
    numbered[alone] = labels.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return np.unique(numbered, return_inverse=True)[1]


def _of_groups(groups: np.ndarray, barred: np.ndarray) -> np.ndarray:
    """What may not be of a face may not be of its group."""
    inside = barred[groups[barred[:, 0]] >= 0]
    return np.column_stack([groups[inside[:, 0]], inside[:, 1]])


def _parted(named: Named, rules: Rules) -> Named:
    """Of two faces that cannot be one person but both went to the same one, the less sure is nobody's."""
    a, b = rules.cannot[:, 0], rules.cannot[:, 1]
    same = (named.persons[a] >= 0) & (named.persons[a] == named.persons[b])
    pair = rules.cannot[same]
    loser = np.where(named.scores[pair[:, 0]] < named.scores[pair[:, 1]], pair[:, 0], pair[:, 1])
    loser = loser[rules.owners[loser] < 0]
    return named.without(np.unique(loser)) if len(loser) else named
