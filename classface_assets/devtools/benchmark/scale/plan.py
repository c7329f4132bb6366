"""A calculation on paper: hours, requests and money for very many photos on several workers, and what saturates first.

Nothing is measured here. The defaults of the rates are figures of the documentation's pages on speed and scaling, or
were measured on photos of 11 megapixels; what stands under `Assumptions` was never measured. Every figure is an
argument, so that your own can take its place.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar

IDENTITY_CPU_S = ((10_000, 11.0), (50_000, 39.0), (100_000, 112.0))
"""Faces of an archive → CPU seconds of the search, the grouping and the naming; of `make bench-faces`."""
MEASURED = frozenset({"ingest_cpu_s", "album_cpu_s", "made_mb", "faces_a_photo"})
"""Figures that a benchmark gave; all others are assumptions."""
GET, PUT = "GET", "PUT"


class Resource(StrEnum):
    """What may be the narrowest place."""

    CPU = "processors"
    CARD = "cards"
    NETWORK = "network of the workers"
    STORE = "throughput of the store"
    REQUESTS = "requests to the store"


@dataclass(frozen=True)
class Load:
    """What there is to do.

    Attributes:
        photos: Of all archives together.
        archives: Of about the same size; each is searched for itself.
        faces_a_photo: Found in a photo on average.
        photo_mb: Megabytes of a photo's file.
        copies_a_photo: Students in a photo who have a folder: at a URL each of these holds a copy of it.
    """

    photos: int = 10_000_000
    archives: int = 300
    faces_a_photo: float = 3.9
    photo_mb: float = 4.0
    copies_a_photo: float = 3.0


@dataclass(frozen=True)
class Rates:
    """What a photo costs.

    Attributes:
        ingest_cpu_s: CPU seconds from a file to its faces' vectors in Parquet, with the networks on the processor.
        ingest_cpu_s_with_card: The part of them that stays on the processor where the networks run on a card.
        album_cpu_s: CPU seconds for its thumbnails, crops and pages.
        reads: How often its file is read from the store: to identify it, to search it, for the albums.
        writes: Objects that are written for it besides the copies: thumbnails, and its share of parts.
        made_mb: Megabytes that are written for it besides the copies: parts with chips, thumbnails.
        dagster_cpu_s: CPU seconds of Dagster's own for an update of an archive.
    """

    ingest_cpu_s: float = 0.143
    ingest_cpu_s_with_card: float = 0.06
    album_cpu_s: float = 0.24
    reads: float = 3.0
    writes: float = 3.0
    made_mb: float = 0.35
    dagster_cpu_s: float = 15.0


@dataclass(frozen=True)
class Machines:
    """What it is done on, and what that costs.

    Attributes:
        workers: All alike.
        cores: Of a worker.
        card_photos_s: Photos a second that a worker's card searches and embeds.
        worker_gbit_s: Network of a worker.
        store_gbit_s: What the object store moves in all.
        store_requests_s: Requests a second that it answers.
        worker_hour: Money for an hour of a worker.
        card_worker_hour: The same with a card.
        thousand_gets: Money for a thousand requests that read.
        thousand_puts: Money for a thousand requests that write.
        gb_month: Money for a gigabyte in the store for a month.
    """

    workers: int = 10
    cores: int = 16
    card_photos_s: float = 150.0
    worker_gbit_s: float = 1.0
    store_gbit_s: float = 10.0
    store_requests_s: float = 5_000.0
    worker_hour: float = 0.60
    card_worker_hour: float = 1.20
    thousand_gets: float = 0.0004
    thousand_puts: float = 0.005
    gb_month: float = 0.023


GroupT = TypeVar("GroupT", Load, Rates, Machines)


@dataclass(frozen=True)
class Step:
    """One step of the whole, spread over all workers.

    Attributes:
        name: What is done.
        hours: Of each resource, were it the only one.
    """

    name: str
    hours: dict[Resource, float]

    @property
    def saturated(self) -> Resource:
        """The resource that the step waits for."""
        return max(self.hours, key=lambda resource: self.hours[resource])

    @property
    def duration(self) -> float:
        """Hours that it takes, as each photo passes all of them side by side."""
        return self.hours[self.saturated]


@dataclass(frozen=True)
class Plan:
    """What it comes to.

    Attributes:
        with_card: Whether the networks run on cards.
        steps: One after another.
        requests: Kind → how many.
        stored_gb: In the object store afterwards.
        money: For the machines and the requests, once.
        money_a_month: For what is stored.
    """

    with_card: bool
    steps: tuple[Step, ...]
    requests: dict[str, float]
    stored_gb: float
    money: float
    money_a_month: float

    @property
    def hours(self) -> float:
        """Of all steps."""
        return sum(step.duration for step in self.steps)


def identity_cpu_s(faces: float) -> float:
    """CPU seconds for an archive of so many faces; between and beyond the measured sizes it grows as a power."""
    larger = [n for n, (size, _) in enumerate(IDENTITY_CPU_S) if size >= faces]
    upper = min(max(larger[0] if larger else len(IDENTITY_CPU_S) - 1, 1), len(IDENTITY_CPU_S) - 1)
    (faces_a, seconds_a), (faces_b, seconds_b) = IDENTITY_CPU_S[upper - 1 : upper + 1]
    power = math.log(seconds_b / seconds_a) / math.log(faces_b / faces_a)
    return seconds_a * (faces / faces_a) ** power


def plan(load: Load, rates: Rates, machines: Machines, *, with_card: bool) -> Plan:
    """Calculate.

    Args:
        load: What there is to do.
        rates: What a photo costs.
        machines: What it is done on.
        with_card: Whether the networks run on a card in each worker.
    """
    photos, copies = load.photos, load.photos * load.copies_a_photo
    requests = {GET: photos * rates.reads, PUT: photos * rates.writes + copies}
    album_mb = photos * (load.photo_mb + 0.5 * rates.made_mb) + copies * load.photo_mb
    steps = (
        _ingest(load, rates, machines, with_card=with_card),
        Step("students: search, groups, names", {Resource.CPU: _identity_hours(load, rates, machines)}),
        Step(
            "albums, with the copies in students' folders",
            {
                Resource.CPU: _cpu_hours(photos * rates.album_cpu_s, machines),
                **_transfer_hours(album_mb, photos + copies + 0.5 * photos * rates.writes, machines),
            },
        ),
    )
    stored_gb = (photos * (load.photo_mb + rates.made_mb) + copies * load.photo_mb) / 1000
    hour = machines.card_worker_hour if with_card else machines.worker_hour
    money = sum(step.duration for step in steps) * machines.workers * hour
    money += requests[GET] / 1000 * machines.thousand_gets + requests[PUT] / 1000 * machines.thousand_puts
    return Plan(with_card, steps, requests, stored_gb, money, stored_gb * machines.gb_month)


def _ingest(load: Load, rates: Rates, machines: Machines, *, with_card: bool) -> Step:
    photos, reads = load.photos, max(rates.reads - 1, 1)
    cpu_s = rates.ingest_cpu_s_with_card if with_card else rates.ingest_cpu_s
    hours = {
        Resource.CPU: _cpu_hours(photos * cpu_s, machines),
        **_transfer_hours(photos * (reads * load.photo_mb + 0.5 * rates.made_mb), photos * (reads + 0.1), machines),
    }
    if with_card:
        hours[Resource.CARD] = photos / machines.workers / machines.card_photos_s / 3600
    return Step("photos to faces and vectors", hours)


def _identity_hours(load: Load, rates: Rates, machines: Machines) -> float:
    faces = load.photos * load.faces_a_photo / load.archives
    return _cpu_hours(load.archives * (identity_cpu_s(faces) + rates.dagster_cpu_s), machines)


def _cpu_hours(cpu_s: float, machines: Machines) -> float:
    return cpu_s / machines.workers / machines.cores / 3600


def _transfer_hours(megabytes: float, requests: float, machines: Machines) -> dict[Resource, float]:
    gbit = megabytes * 8 / 1000
    return {
        Resource.NETWORK: gbit / machines.workers / machines.worker_gbit_s / 3600,
        Resource.STORE: gbit / machines.store_gbit_s / 3600,
        Resource.REQUESTS: requests / machines.store_requests_s / 3600,
    }


def table(plans: Sequence[Plan]) -> str:
    """The plans beside one another, in Markdown; of each step every resource, and in bold the one that it waits for."""
    names = ["with cards" if one.with_card else "without cards" for one in plans]
    rows: list[list[str]] = [["", *names], ["---", *("--:" for _ in plans)]]
    for number, first in enumerate(plans[0].steps):
        of_each = [one.steps[number] for one in plans]
        rows += [
            [f"{first.name}: hours by {resource}", *(_hours(step, resource) for step in of_each)]
            for resource in Resource
            if any(resource in step.hours for step in of_each)
        ]
    rows += [
        ["all of it: hours", *(f"{one.hours:,.0f}" for one in plans)],
        ["requests that read, millions", *(f"{one.requests[GET] / 1e6:,.0f}" for one in plans)],
        ["requests that write, millions", *(f"{one.requests[PUT] / 1e6:,.0f}" for one in plans)],
        ["in the store, TB", *(f"{one.stored_gb / 1000:,.0f}" for one in plans)],
        ["money for machines and requests, once", *(f"{one.money:,.0f}" for one in plans)],
        ["money for the store, a month", *(f"{one.money_a_month:,.0f}" for one in plans)],
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _hours(step: Step, resource: Resource) -> str:
    if resource not in step.hours:
        return ""
    shown = f"{step.hours[resource]:,.1f}"
    return f"**{shown}**" if resource is step.saturated else shown


def figures(load: Load, rates: Rates, machines: Machines) -> str:
    """Every figure that the calculation used: those of rates that were measured, then all that is assumed."""
    given = {field.name: getattr(group, field.name) for group in (load, rates, machines) for field in fields(group)}
    lines = [
        [f"- {name.replace('_', ' ')}: {value:,}" for name, value in given.items() if (name in MEASURED) is measured]
        for measured in (True, False)
    ]
    return "\n".join(["Measured:", "", *lines[0], "", "Assumptions:", "", *lines[1]])


def main() -> None:
    """Print the table and the figures behind it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for group in (Load(), Rates(), Machines()):
        for field in fields(group):
            default = getattr(group, field.name)
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(default), default=default)
    given = vars(parser.parse_args())
    load, rates, machines = _chosen(Load, given), _chosen(Rates, given), _chosen(Machines, given)
    print(table([plan(load, rates, machines, with_card=with_card) for with_card in (False, True)]))
    print(f"\n{figures(load, rates, machines)}")


def _chosen(kind: type[GroupT], given: Mapping[str, Any]) -> GroupT:
    return kind(**{field.name: given[field.name] for field in fields(kind)})


if __name__ == "__main__":
    main()
