"""What forms send."""

from typing import Annotated

from fastapi import Form

Text = Annotated[str, Form(max_length=2000)]
Faces = Annotated[tuple[str, ...], Form()]
