"""The calculation on paper for very many photos."""

import sys
from dataclasses import replace

import pytest

from classface_assets.devtools.benchmark.scale.plan import (
    GET,
    PUT,
    Load,
    Machines,
    Plan,
    Rates,
    Resource,
    identity_cpu_s,
    main,
    plan,
    table,
)

QUICK = Machines(worker_gbit_s=1e6, store_gbit_s=1e6, store_requests_s=1e9)
"""Machines whose network and store are never waited for."""
TWENTY = replace(QUICK, workers=20)


def without_cards(load: Load | None = None, rates: Rates | None = None, machines: Machines = QUICK) -> Plan:
    return plan(load or Load(), rates or Rates(), machines, with_card=False)


def test_a_step_takes_as_long_as_its_narrowest_resource() -> None:
    load = Load(photos=3_600_000, photo_mb=10.0, copies_a_photo=0.0)
    rates = Rates(ingest_cpu_s=0.16, reads=2.0, writes=0.0, made_mb=0.0)
    by_cpu = without_cards(load, rates).steps[0]
    assert (by_cpu.saturated, by_cpu.duration) == (Resource.CPU, pytest.approx(1.0))
    by_network = without_cards(load, rates, replace(QUICK, worker_gbit_s=4.0)).steps[0]
    assert (by_network.saturated, by_network.duration) == (Resource.NETWORK, pytest.approx(2.0))
    by_store = without_cards(load, rates, replace(QUICK, store_gbit_s=10.0)).steps[0]
    assert (by_store.saturated, by_store.duration) == (Resource.STORE, pytest.approx(8.0))
    by_requests = without_cards(load, rates, replace(QUICK, store_requests_s=100.0))
    assert by_requests.steps[0].saturated == Resource.REQUESTS


def test_twice_the_workers_take_half_the_time_until_the_store_is_saturated() -> None:
    one, two = (
        without_cards(),
        without_cards(machines=TWENTY),
    )
    assert two.hours == pytest.approx(one.hours / 2)
    ten, twenty = without_cards(machines=Machines()), without_cards(machines=Machines(workers=20))
    assert twenty.hours == pytest.approx(ten.hours, rel=0.01), "the store moves 10 Gbit/s whoever reads"


def test_a_card_helps_only_where_the_processors_were_waited_for() -> None:
    slow = Rates(ingest_cpu_s=1.0)
    assert plan(Load(), slow, QUICK, with_card=True).hours < without_cards(rates=slow).hours
    limited = Machines(worker_gbit_s=0.1)
    assert plan(Load(), slow, limited, with_card=True).hours == without_cards(rates=slow, machines=limited).hours


def test_requests_and_what_is_stored_are_counted_photo_by_photo() -> None:
    load, rates = Load(photos=1000, photo_mb=4.0, copies_a_photo=2.0), Rates(reads=3.0, writes=1.5, made_mb=0.5)
    found = without_cards(load, rates, Machines(thousand_gets=1.0, thousand_puts=10.0, worker_hour=0.0, gb_month=2.0))
    assert found.requests == {GET: 3000.0, PUT: 3500.0}
    assert found.stored_gb == pytest.approx(12.5)
    assert (found.money, found.money_a_month) == (pytest.approx(38.0), pytest.approx(25.0))


def test_the_time_for_an_archives_students_is_what_was_measured_and_grows_faster_than_the_archive() -> None:
    measured = {10_000: 11.0, 50_000: 39.0, 100_000: 112.0}
    assert {faces: pytest.approx(identity_cpu_s(faces)) for faces in measured} == measured
    assert identity_cpu_s(1_000) < 11.0 < identity_cpu_s(20_000) < 39.0
    assert identity_cpu_s(200_000) > 2 * 112.0


def test_the_table_shows_every_resource_and_the_figures_are_arguments(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["plan", "--photos", "1000000", "--worker-gbit-s", "25", "--store-gbit-s", "250"])
    main()
    shown = capsys.readouterr().out
    assert "- photos: 1,000,000" in shown.partition("Assumptions:")[2]
    assert "- ingest cpu s: 0.143" in shown.partition("Assumptions:")[0]
    assert all(f"hours by {resource}" in shown for resource in Resource)
    assert table([without_cards()]).count("**") == 2 * 3
