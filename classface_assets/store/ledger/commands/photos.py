"""The acts about photos: what one shows more than once, and faces in it that no detector found."""

from collections.abc import Sequence

from classface_assets.store.ledger.commands.people import PeopleActs
from classface_assets.store.ledger.transaction import Act, ConflictError, LedgerError, Writing
from classface_assets.store.model.face_ref import LabelledFace
from classface_assets.store.model.same_shots import SameShot


class PhotoActs(PeopleActs):
    """A photo is named by its asset id."""

    def mark_photo(self, asset_id: str, mark: str) -> Act:
        """The photo is a collage, or shows a mirror: it may show a person more than once."""
        if mark not in ("collage", "mirror"):
            raise LedgerError(f"A photo is marked as collage or mirror, not as {mark!r}.")
        return self._photo(asset_id, mark)

    def unmark_photo(self, asset_id: str) -> Act:
        return self._photo(asset_id, None)

    def draw(self, face: LabelledFace) -> Act:
        """Here is a face that no detector found."""
        x, y, width, height = face.box
        if width < 1 or height < 1 or x + width < 1 or y + height < 1:
            raise LedgerError(
                "A face's box must lie in the photo and be at least a pixel wide and high; draw it again."
            )

        def act(now: Writing) -> Act:
            now.append("face_drawn", faces=[face.payload()])
            return now.done(None, 1)

        return self.write(act)

    def follow_photos(self, pairs: Sequence[SameShot]) -> Act:
        """These photos show one shot each; a photo and itself: its pixels lie otherwise from now on."""

        def act(now: Writing) -> Act:
            now.append("photos_followed", photos=[pair.payload() for pair in pairs])
            return now.done(None)

        return self.write(act)

    def _photo(self, asset_id: str, mark: str | None) -> Act:
        def act(now: Writing) -> Act:
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
