"""Erasing a person for good: the typed name as confirmation, and the receipt."""

from fastapi import Request
from starlette.responses import Response

from classface_assets.core.languages import gettext
from classface_assets.core.names import normalize_name
from classface_assets.review.api.common import Context
from classface_assets.review.api.persons.person_rows import PersonId, person_row
from classface_assets.review.pages.components.layout import FormText, page_router, render_page
from classface_assets.review.problems import ProblemError

router = page_router()


@router.post("/people/{id}/forget")
def forget(request: Request, context: Context, person_id: PersonId, confirmation: FormText = "") -> Response:
    """Erase a person whose name was typed as confirmation, and show the receipt.

    The receipt is the page of the form itself: it is stored nowhere, as nothing of the person is.
    """
    row = person_row(context.view(), person_id)
    if normalize_name(confirmation) != normalize_name(row["name"]):
        detail = gettext(
            "Nothing was erased: type the name %(name)s exactly as it is shown to confirm.", name=row["name"]
        )
        raise ProblemError(422, detail)
    receipt, run_id = context.erase(row["id"])
    return render_page(request, context, "receipt.html.j2", receipt=receipt, run_id=run_id)
