"""Consent in rosters: which columns are about it, what answers mean, and that a doubt refuses and is told."""

import pytest

from classface_assets.cli.people.roster import reading_notes, review_notes
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.roster.answers import Answer, ConsentAnswer, combine_answers, parse_answer
from classface_assets.store.roster.consent_titles import Certainty, consent_certainty, consent_column
from classface_assets.store.roster.encoding import RosterError
from classface_assets.store.roster.file import RosterFile, read_roster
from classface_assets.store.roster.table import RosterOptions


def read(text: str, **options: tuple[str, ...]) -> RosterFile:
    return read_roster(text.encode(), "2019-2020", RosterOptions(**options))  # type: ignore[arg-type]


def refused(entry: RosterEntry) -> bool:
    return entry.consent is False or bool(entry.consent_in_doubt)


@pytest.mark.parametrize(
    "title",
    [
        *("Photo Release (Y/N)", "GDPR photo consent", "Consent to publish photos", "Publish photos", "PhotoConsent"),
        *("Permission for images - yes or no", "May be photographed", "Parental consent", "Media release", "Photo OK?"),
        *(
            "Fotoeinwilligung",
            "Einverständnis Bilder",
            "Veröffentlichung erlaubt",
            "Recht am Bild",
            "Fotoerlaubnis ja/nein",
        ),
        *("Droit à l'image", "Autorisation photo", "Autorización de imagen", "Publicar fotos", "Consenso foto"),
        *("Autorização de imagem", "Toestemming beeldmateriaal", "Samtycke till foto", "Samtykke til bilder"),
        *("Zgoda na publikację wizerunku", "Souhlas se zveřejněním fotografií", "Согласие на публикацию фото"),
        *("Fotoğraf izni", "写真掲載の同意", "사진 촬영 동의", "照片授权", "Hozzájárulás fényképezéshez"),
    ],
)
def test_a_column_is_about_consent_by_the_words_of_its_title(title: str) -> None:
    assert consent_certainty(title) is Certainty.SURE and not consent_column(0, title).refuses
    anna, ben = read(f"Name,{title}\nAnna,yes\nBen,no\n").entries
    assert (anna.consent, ben.consent) == (True, False)


@pytest.mark.parametrize(
    "title",
    [
        *(
            "Opt out",
            "OptOut",
            "Do not photograph",
            "No photos",
            "Don't publish",
            "Photo restrictions",
            "Photos refused",
        ),
        *("Keine Fotos", "Nicht veröffentlichen", "Fotoverbot", "Pas de photos", "Refus droit à l'image"),
        *(
            "No publicar fotos",
            "Non pubblicare foto",
            "Geen foto's",
            "Inga bilder",
            "Brak zgody na zdjęcia",
            "撮影不可",
        ),
    ],
)
def test_a_yes_below_a_title_that_refuses_is_a_no(title: str) -> None:
    anna, ben, cem = read(f"Name,{title}\nAnna,x\nBen,no\nCem,\n").entries
    assert anna.consent is False
    assert (ben.consent, cem.consent) == (None, None), "who did not opt out has not said yes"


@pytest.mark.parametrize(
    "title",
    [
        "Medical consent",
        "Trip permission",
        "Release date",
        "Consent date",
        "Class",
        "Father's name",
        "Bus",
        "Photo No.",
    ],
)
def test_a_title_about_another_matter_is_no_consent(title: str) -> None:
    found = read(f"Name,{title}\nAnna,12/09/2019\nBen,11/09/2019\n")
    assert [refused(entry) for entry in found.entries] == [False, False] and not found.report.uncertain


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        *(
            (yes, Answer.YES)
            for yes in ("Yes", "YES!", "Y ", "yes.", "x", "✓", "Ja", "oui.", "Sí", "да", "はい", "同意", "1")
        ),
        *(
            (yes, Answer.YES)
            for yes in ("Consent given", "Permission granted", "Yes please", "photo ok", "True", "I agree", "Autoriza")
        ),
        *(
            (no, Answer.NO)
            for no in ("No", "no.", "N", "nein.", "Non", "(no)", "NO!", "нет", "いいえ", "0", "-", "False")
        ),
        *((no, Answer.REFUSAL) for no in ("Opt out", "opted-out", "withheld", "no photos", "Not given", "refusé", "✖")),
        *(
            (no, Answer.REFUSAL)
            for no in ("✖\ufe0f", "Refused.", "Keine Fotos", "nicht erteilt", "pas de photos", "不同意")
        ),
        *(
            (no, Answer.REFUSAL)
            for no in ("do not publish", "Don't publish", "no consent", "не согласен", "No, thanks", "stimme nicht zu")
        ),
        *((odd, Answer.DOUBT) for odd in ("No - internal only", "Yes (mother)", "Y/N", "not refused", "no objection")),
        *(
            (odd, Answer.DOUBT)
            for odd in ("Granted 2019", "perhaps", "?", "n/a", "#N/A", "☒", "pending", "website only")
        ),
        *((nothing, None) for nothing in ("", " ", "\u00a0", "\u200b")),
    ],
)
def test_an_answer_is_understood_as_a_whole_or_in_doubt(text: str, answer: Answer | None) -> None:
    assert parse_answer(text) is answer


@pytest.mark.parametrize(
    "answer",
    [
        *("Opt out", "No - internal only", "no.", "withheld", "no photos", "Not given", "nein.", "refusé", "✖"),
        *("perhaps", "Yes, but ask first", "only in class", "x?", "a" * 400, "✓/✗", "wird nachgereicht"),
    ],
)
def test_no_answer_drops_a_row_and_all_but_yes_refuse(answer: str) -> None:
    found = read(f'Name,Consent\nAnna,yes\nBen,"{answer}"\n')
    anna, ben = found.entries
    assert not refused(anna) and refused(ben) and found.bad == ()
    assert [one.line for one in found.report.refused] == ([3] if ben.consent_in_doubt else [])
    assert len(ben.consent_in_doubt) <= 255


def test_purposes_follow_from_the_title_and_the_strictest_answer_counts() -> None:
    titles = "Name,Yearbook consent,Einwilligung Internet,Permission (print album),Photo consent,Web consent"
    anna, ben, cem = read(f"{titles}\nAnna,yes,no,yes,,yes\nBen,yes,yes,,no,\nCem,,,,Yes - but not website,\n").entries
    assert (anna.consent, anna.consents) == (None, {"yearbook": True, "web": False, "album": True})
    assert (ben.consent, ben.consents) == (False, {}), "no yes of one purpose stands beside a no to all"
    assert (cem.consent, cem.consents, cem.consent_in_doubt) == (True, {"web": False}, "")


def test_what_is_clear_in_one_column_clears_no_doubt_of_another() -> None:
    (anna,) = read("Name,Photo consent,Web consent\nAnna,yes - but not website,yes - but not website\n").entries
    assert anna.consents == {"web": False} and anna.consent_in_doubt == "yes - but not website"
    found = read("Name,Withdrawn\nAnna,yes\nBen,no\nCem,refused\n")
    assert [refused(entry) for entry in found.entries] == [True, False, True]


def test_a_yes_to_the_press_is_a_yes_to_nothing_here_and_a_no_refuses_all() -> None:
    press = consent_column(0, "Press consent")
    assert combine_answers([(press, "yes")]) == ConsentAnswer() and combine_answers([(press, "no")]) == ConsentAnswer(
        False
    )
    assert combine_answers([(consent_column(0, "Photo consent - internal use"), "yes")]) == ConsentAnswer()
    assert consent_column(0, "Jahrbuch").purposes == (Purpose.YEARBOOK,)
    assert consent_column(0, "Публикация на сайте").purposes == (Purpose.WEB,)


@pytest.mark.parametrize(
    "title", ["Photo", "Media", "GDPR", "Data protection", "Website", "DSGVO", "Consent form returned"]
)
def test_a_title_that_may_be_about_consent_is_questioned_and_until_then_all_but_yes_refuse(title: str) -> None:
    text = f"Name,{title}\nAnna,Yes\nBen,No\nCem,perhaps\nDan,\n"
    found = read(text)
    assert [refused(entry) for entry in found.entries] == [False, True, True, False]
    assert [entry.consent for entry in found.entries] == [None] * 4
    assert found.report.uncertain == (title,) and found.needs_review
    notes = "\n".join(review_notes(found, 7))
    assert f"Is the column '{title}' about consent?" in notes and "`classface undo 7`" in notes
    assert f"--consent-column '{title}' (or --no-consent-column '{title}')" in notes
    assert f"line 3: Ben: {title}: No" in notes

    sure = read(text, consent=(title.upper(),))
    answers = [entry.consent if "Web" not in title else entry.consents.get("web") for entry in sure.entries]
    assert answers == [True, False, None, None] and sure.entries[2].consent_in_doubt == "perhaps"
    not_it = read(text, not_consent=(title,))
    assert not any(refused(entry) or entry.portraits for entry in not_it.entries)
    assert not_it.report.unused == (title,) and not not_it.needs_review


def test_who_gave_a_consent_is_no_answer_to_it() -> None:
    found = read("Name,Consent given by,Consent date,Consent\nAnna,Eva Weiss,12/09/2019,Yes\nBen,,13/09/2019,No\n")
    assert [entry.consent for entry in found.entries] == [True, False] and not found.report.refused
    assert found.report.unused == ("Consent given by", "Consent date")


def test_a_column_of_file_names_titled_photo_is_no_question() -> None:
    found = read("Name,Photo\nAnna,1.jpg\nBen,2.jpg\n")
    assert found.report.uncertain == () and found.entries[0].portraits == (("2019-2020", "1.jpg"),)


def test_unknown_columns_are_listed_and_those_of_yes_and_no_are_questioned() -> None:
    found = read("Name,Gender,Bus,Locker,Kuvauslupaus,\nAnna,F,yes,12,kyllä,yes\nBen,M,no,13,ei,no\n")
    assert found.report.unused == ("Gender", "Bus", "Locker")
    assert found.report.uncertain == ("Kuvauslupaus", "column 6"), "by its word for pictures; and one without a title"
    assert "Columns that were not used: Gender, Bus, Locker." in reading_notes(found.report)
    strange = read("Name,Zzz\nAnna,yes\nBen,no\n")
    assert strange.report.yes_or_no == ("Zzz",) and strange.needs_review
    assert "--consent-column 'Zzz'" in review_notes(strange, None)[0]
    assert not read("Name,Zzz\nAnna,yes\nBen,no\n", not_consent=("zzz",)).needs_review


def test_a_list_that_holds_refusals_is_never_cut_off() -> None:
    found = read(
        "Name,Consent\n" + "".join(f"Child {chr(97 + n // 26)}{chr(97 + n % 26)},ask {n}\n" for n in range(130))
    )
    notes = review_notes(found, 1)
    assert len(found.report.refused) == 130 and sum("line" in line for line in notes) == 130
    assert not any("more" in line for line in notes)
    bad = "".join(f"Child, {n},No\n" for n in range(130))
    assert sum(line.startswith("  line") for line in review_notes(read(f"Name,Consent\nAnna,yes\n{bad}"), 1)) == 130


def test_a_row_that_is_left_out_leaves_its_refusal_with_the_student_of_that_name() -> None:
    found = read("Name,Class,Consent\nAnna,3a,yes\nAnna,3b,no\n,3c,no\n")
    (anna,) = found.entries
    assert anna.consent_in_doubt == "line 3: no" and found.report.refused[0].name == "Anna"
    assert found.bad[1] == (4, "it has no name (it refuses: no)")


def test_a_named_column_that_is_not_there_ends_in_one_sentence() -> None:
    with pytest.raises(RosterError, match="There is no column titled 'Media'; the titles are: Name, Class"):
        read("Name,Class\nAnna,3a\n", consent=("Media",))
