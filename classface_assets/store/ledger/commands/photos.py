"""The acts about photos: what one shows more than once, and faces in it that no detector found."""

from collections.abc import Sequence

from classface_assets.store.ledger.commands.people import PeopleCommands
from classface_assets.store.ledger.transaction import CommandResult, ConflictError, LedgerError, LedgerTransaction
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.same_shots import SameShot


class PhotoCommands(PeopleCommands):
    """A photo is named by its asset id."""

    def mark_photo(self, asset_id: str, mark: str) -> CommandResult:
        """The photo is a collage, or shows a mirror: it may show a person more than once."""
        if mark not in ("collage", "mirror"):
            raise LedgerError(f"A photo is marked as collage or mirror, not as {mark!r}.")
        return self._photo(asset_id, mark)

    def unmark_photo(self, asset_id: str) -> CommandResult:
        return self._photo(asset_id, None)

    def draw(self, face: FaceRef) -> CommandResult:
        """Here is a face that no detector found."""
        x, y, width, height = face.box
        if width < 1 or height < 1 or x + width < 1 or y + height < 1:
            raise LedgerError(
                "A face's box must lie in the photo and be at least a pixel wide and high; draw it again."
            )

        def act(now: LedgerTransaction) -> CommandResult:
            now.append("face_drawn", faces=[face.payload()])
            return now.done(None, 1)

        return self.write(act)

    def follow_photos(self, pairs: Sequence[SameShot]) -> CommandResult:
        """These photos show one shot each; a photo and itself: its pixels lie otherwise from now on."""

        def act(now: LedgerTransaction) -> CommandResult:
            now.append("photos_followed", photos=[pair.payload() for pair in pairs])
            return now.done(None)

        return self.write(act)

    def _photo(self, asset_id: str, mark: str | None) -> CommandResult:
        def act(now: LedgerTransaction) -> CommandResult:
            if now.around([asset_id]).photo_marks.get(asset_id) == mark:
                raise ConflictError(
                    f"The photo {asset_id} {f'is marked as {mark} already' if mark else 'is not marked'}."
                )
            if mark is None:
                now.append("photo_unmarked", asset_id=asset_id)
            else:
                now.append("photo_marked", asset_id=asset_id, mark=mark)
            return now.done(None)

        return self.write(act)
