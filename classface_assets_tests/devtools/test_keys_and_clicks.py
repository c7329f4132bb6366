"""The keys and clicks of the usual tasks, counted in a browser: they are done, and take no more than the docs say."""

import pytest

from classface_assets.devtools.benchmark.review.input_counter import count_inputs, inputs_so_far
from classface_assets.devtools.benchmark.review.keys_and_clicks import (
    MISSING,
    RENAMED,
    count_tasks,
    prepare_school,
)
from classface_assets.devtools.benchmark.review.usual_tasks import UsualTasks
from classface_assets_tests.support.class_photos import compose_class_photo
from classface_assets_tests.support.windows import ReviewWindow

pytestmark = pytest.mark.slow
MOST = {
    "confirm": (0, 1),
    "merge": (3, 0),
    "undo": (1, 0),
    "name": (30, 1),
    "rename": (len(RENAMED) + 2, 3),
    "upload": (0, 5),
    "export": (0, 4),
    "correct": (0, 3),
}
"""First word of a task -> keys and clicks that it may take."""


def test_usual_tasks_are_done_with_few_keys_and_clicks(window: ReviewWindow) -> None:
    count_inputs(window.page.context)
    school = prepare_school(window.world.archive)
    counted = {one.task.split()[0]: one.count for one in count_tasks(window.page, window.url, school)}
    taken = {task: (count.keys, count.clicks) for task, count in counted.items()}
    assert taken.keys() == MOST.keys()
    assert {t: n for t, n in taken.items() if n[0] > MOST[t][0] or n[1] > MOST[t][1]} == {}
    decisions = window.decisions
    people = {person.id: person.name for person in decisions.persons.values()}
    named = {people[label.person_id] for label in decisions.labels.values()}
    assert {*school.names, RENAMED} <= named and "Nora Neu" in {entry.name for entry in decisions.roster}
    corrected = [(people[person], there) for (_, person), there in decisions.attendance.items()]
    assert corrected == [(MISSING, True)]


def test_a_class_of_29_is_counted_name_by_name(window: ReviewWindow) -> None:
    photo = compose_class_photo(window)
    count_inputs(window.page.context)
    tasks = UsualTasks(window.page, window.url)
    tasks.open(f"/photos/{photo.asset_id}")
    before = inputs_so_far(window.page)
    tasks.name_class_photo(photo.names)
    count = inputs_so_far(window.page).since(before)
    print(f"a class photo of {len(photo.names)}: {count}")
    assert count.clicks == 1 and count.loads == 1, "to open the page where faces are named, and no more"
    assert count.keys <= 4 * len(photo.names)
    window.errors.clear()  # chips of other school years are not found in the photo's


def test_only_what_a_person_does_is_counted(window: ReviewWindow) -> None:
    count_inputs(window.page.context)
    page = window.open("/people")
    before = inputs_so_far(page)
    page.evaluate("document.querySelector('nav.wide a').dispatchEvent(new KeyboardEvent('keydown', {key: 'a'}))")
    page.evaluate("document.querySelector('h1').click()")
    assert inputs_so_far(page).since(before).keys == inputs_so_far(page).since(before).clicks == 0
    page.keyboard.press("Control+a")
    page.locator("h1").click()
    page.keyboard.type("ab")
    counted = inputs_so_far(page).since(before)
    assert (counted.keys, counted.clicks) == (3, 1)
