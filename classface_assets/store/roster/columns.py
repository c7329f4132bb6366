"""Which column of a roster is what: titles in many languages, whatever their case, accents, spaces and dots.

Which columns are about consent belongs in `consent_titles`.
"""

from collections.abc import Mapping, Sequence, Set

from classface_assets.store.roster.titles import alphanumeric, contains_stem, drop_brackets, title_words, word_list
from classface_assets.store.roster.values import parse_school_years

_ALIASES = {
    "name": "name fullname studentname student pupil pupilname child displayname schuler schulerin schulername kind "
    "nomcomplet eleve nombrecompleto alumno alumna nomecompleto nomecognome nomeecognome cognomenome "
    "cognomeenome aluno naam navn namn nimi imieinazwisko adsoyad фио ученик 氏名 姓名 名前 이름 성명 الاسم "
    "שם שםמלא lastfirst firstlast",
    "last": "lastname last surname familyname nachname familienname nomdefamille apellido apellidos primerapellido "
    "cognome sobrenome apelido achternaam efternamn etternavn efternavn sukunimi nazwisko prijmeni priezvisko "
    "prezime vezeteknev csaladnev soyad soyadi фамилия прізвище 姓 성 שםמשפחה",
    "first": "firstname first givenname givennames forename forenames vorname vornamen rufname prenom prenoms nombre "
    "nombres nome voornaam roepnaam fornamn fornavn etunimi imie jmeno meno ime keresztnev utonev ad adi имя "
    "ім'я 名 שםפרטי",
    "student_id": "id studentid studentno studentnumber studentidnumber pupilid pupilno pupilnumber personid idnumber "
    "sisid stateid localid admissionnumber admissionno sid upn ine schulernummer schulerid schulernr matrikelnummer "
    "matricule numeroeleve matricula idalumno numeroalumno leerlingnummer elevnummer iducznia 学号 学籍番号 "
    "학번",
    "class": "class classname homeroom room section form tutorgroup registrationgroup reggroup klasse classe clase "
    "grupo turma klas klass klasa trida trieda osztaly sinif luokka класс 組 クラス 班级 반",
    "grade": "grade gradelevel yeargroup level jahrgang jahrgangsstufe klassenstufe stufe niveau curso grado 学年",
    "years": "schoolyear schoolyears year years academicyear academicyears enrolled enrolment enrollment session "
    "schuljahr schuljahre jahr jahre anno anneescolaire anneesscolaires annee anoescolar anosescolares "
    "cursoescolar annoscolastico anniscolastici anoletivo anosletivos schooljaar schooljaren skolear skolar "
    "lasar rokszkolny skolnirok учебныйгод ogretimyili 年度 학년도",
    "siblings": "sibling siblings brothersandsisters geschwister geschwisterkinder fratrie freresetsoeurs hermanos "
    "fratelli fratelliesorelle irmaos broersenzussen syskon sosken soskende rodzenstwo sourozenci "
    "братьяисестры kardes kardesler 兄弟姉妹 형제자매",
    "birth_date": "birthdate dateofbirth birthday dob born geburtsdatum geburtstag gebdatum geboren datedenaissance "
    "naissance fechadenacimiento fechanacimiento datadinascita datadenascimento geboortedatum fodelsedatum "
    "fodselsdato syntymaaika dataurodzenia datumnarozeni датарождения dogumtarihi 生年月日 出生日期 생년월일",
    "folder": "imagefolder imagefoldername folder foldername ordner",
    "file": "imagefilename imagefile imagename filename image photo photofile photoname picture portrait portraitfile "
    "foto bild bilddatei",
}
_FIELDS = {alphanumeric(alias): field for field, aliases in _ALIASES.items() for alias in aliases.split()}
# Of other people than the student, or of no person: a name below them is not the student's.
_OTHER_PEOPLE = word_list(
    """
    parent guardian mother father mum. mom. dad. emergency contact carer caregiver sponsor doctor physician
    teacher tutor advisor adviser counselor eltern mutter vater erziehungsb sorgeberecht notfall lehrer mere.
    pere. responsable tuteur urgence enseignant profes madre padre acudiente representante emergenc maestr
    docent genitor insegnant mae. pai. responsav encarregad ouder. ouders moeder vader. verzorger noodcontact
    leerkracht mentor foralder vardnad larare mor. far. foresat forelder laerer rodzic matk matek ojciec ojca
    opiekun nauczyc wychowaw rodic otec otce zakonn ucitel родител мать матери отец отца опекун учител мати
    батьк veli. anne. baba. ogretmen 保護者 父 母 緊急 担任 先生 家长 家長 监护 教师 班主任 보호자 부모 아버지
    어머니 담임 school schule ecole escuela scuola escola street bank user account course middle maiden
    birth_name nickname geburtsname
    """
)
_OF_STUDENTS = frozenset(
    word_list(
        """
    student students pupil pupils child childs children kid kids learner legal official current full
    registered s d l the of de des du la le les del della dello dell do da van het den der das av schuler
    schulers schulerin schulerins schuelers kindes kind kinds eleve enfant etudiant alumno alumna estudiante
    nino alunno alunna studente aluno aluna leerling elev elevens elevs barn barnets ucznia uczen dziecka zaka
    zak ditete ученика учащегося ребенка учня ogrenci ogrencinin cocuk
    """
    )
)
_PREFERRED_WORDS = frozenset(("preferred", "chosen", "known", "as", "usual", "nick", "called"))
_STUDENT_PREFIXES = ("student", "pupil", "child", "schuler", "eleve", "生徒", "児童", "学生", "學生", "학생")
_BESIDE_NAMES = frozenset(
    word_list("name names and und et y e en og och i middle mi m initial initials отчество a и 名前")
)
_DATE_FORMAT = frozenset(word_list("dd mm yyyy yy d m y mmm tt jj jjjj aaaa aa gg rrrr iso format дд мм гггг"))
# The Professional School Photographers Association's INDEX.TXT, whose first line often is a student's already.
PSPA_FIELDS = ("volume", "folder", "file", "grade", "last", "first", "class")
_PICTURES = (".jpg", ".jpeg", ".tif", ".tiff", ".png", ".bmp")

_AMBIGUOUS_NAME = "nom"
Columns = dict[int, str]


def identify_columns(header: Sequence[str]) -> Columns:
    """What each column holds, by its title.

    Of two columns of one field the first one counts, and a title of the field alone rather than one with other words.

    Args:
        header: The titles.

    Returns:
        Column number -> a field of `_ALIASES`, or `in 2019-2020` for the class of that year.
    """
    found: Columns = {}
    for rank in (_exact_field, _qualified_field, _preferred_field):
        known = _known_name_fields(found, rank)
        for place, title in enumerate(header):
            field = rank(title) if place not in found else None
            if field is not None and field not in known and field not in found.values():
                found[place] = field
    return _resolve_name_fields(found)


def is_header(columns: Mapping[int, str]) -> bool:
    """Whether these columns hold the name of a student."""
    fields = set(columns.values())
    return "name" in fields or {"last", "first"} <= fields


def is_pspa(row: Sequence[str]) -> bool:
    """Whether a row is one of a PSPA INDEX.TXT, which has no titles."""
    return len(row) >= 6 and row[2].strip().lower().endswith(_PICTURES)


def _known_name_fields(found: Columns, rank: object) -> Set[str]:
    """The parts of names that columns found before hold already, so that a weaker title for them is not used."""
    fields = set(found.values())
    if rank is _exact_field or not ({"last", "first"} <= fields or ("name" in fields and rank is _preferred_field)):
        return frozenset()
    return frozenset(("name", "last", "first", _AMBIGUOUS_NAME))


def _exact_field(title: str) -> str | None:
    years = parse_school_years(title) if any(c.isdigit() for c in title) else None
    if years and len(years) == 1 and alphanumeric(title).isdigit():
        return f"in {years[0]}"
    return _FIELDS.get(alphanumeric(title))


def _qualified_field(title: str) -> str | None:
    """`Student Last Name`, `Nachname des Kindes`, `Date of birth (dd/mm/yyyy)`, `Last, First`."""
    return _field_of_words(title_words(title)) or _field_of_words(title_words(drop_brackets(title)))


def _preferred_field(title: str) -> str | None:
    """`Preferred First Name`, where no column has the registered one."""
    words = title_words(drop_brackets(title))
    rest = tuple(word for word in words if word not in _PREFERRED_WORDS)
    return _field_of_words(rest) if rest != words else None


def _field_of_words(words: Sequence[str]) -> str | None:
    if _full_name_field(words):
        return "name"
    if contains_stem(words, _OTHER_PEOPLE):
        return None
    left = [word for word in words if word not in _DATE_FORMAT] or list(words)
    for some in (left, [word for word in left if word not in _OF_STUDENTS]):
        joined = "".join(some)
        names = (joined, *(joined.removeprefix(glued) for glued in _STUDENT_PREFIXES if joined.startswith(glued)))
        field = next((_FIELDS[name] for name in names if name in _FIELDS), None) or _full_name_field(some)
        if field is not None:
            return field
        if joined == "nom":
            return _AMBIGUOUS_NAME
    return None


def _full_name_field(words: Sequence[str]) -> str | None:
    """`name` for a title that names a last and a first name: `LastFirst`, `Nom et prénom`."""
    parts: list[str] = []
    at = 0
    while at < len(words):
        for end in range(min(len(words), at + 3), at, -1):
            field = {"nom": "last"}.get("".join(words[at:end])) or _FIELDS.get("".join(words[at:end]), "")
            if field in ("last", "first"):
                parts.append(field)
                at = end
                break
        else:
            if words[at] not in _BESIDE_NAMES:
                return None
            parts += ["name"] if words[at] == "name" else []
            at += 1
    whole = {"last", "first"} <= set(parts) or parts == ["name", "first"]
    return "name" if whole else None


def _resolve_name_fields(found: Columns) -> Columns:
    """A column `Name` beside one of first names holds last names; `nom` is either; a lone `nome` is a whole name."""
    fields = set(found.values())
    if _AMBIGUOUS_NAME in fields:
        field = "last" if "first" in fields else "name"
        known = field in fields or {"last", "first"} <= fields
        found = {
            place: field if name == _AMBIGUOUS_NAME else name
            for place, name in found.items()
            if name != _AMBIGUOUS_NAME or not known
        }
    fields = set(found.values())
    if {"name", "first"} <= fields and "last" not in fields:
        return {place: "last" if field == "name" else field for place, field in found.items()}
    if "first" in fields and not fields & {"name", "last"}:
        return {place: "name" if field == "first" else field for place, field in found.items()}
    return found
