"""All pages, in the order in which their addresses are tried."""

from classface_assets.review.pages import (
    confirm,
    help,
    history,
    naming,
    people,
    people_acts,
    photos,
    runs,
    search,
    unknown,
    years,
)

PAGES = tuple(
    module.router
    for module in (unknown, naming, confirm, people, people_acts, photos, search, history, years, runs, help)
)
