"""Which column of a roster is what: headers in many languages, whatever their case, accents, spaces and dots."""

import unicodedata
from collections.abc import Mapping, Sequence

from classface_assets.store.roster_years import school_years_in

_ALIASES = {
    "name": "name fullname studentname student pupil pupilname displayname schuler schulerin schulername nomcomplet "
    "eleve nombrecompleto alumno alumna nomecompleto nomecognome nomeecognome cognomenome cognomeenome aluno naam navn "
    "namn nimi imieinazwisko adsoyad фио ученик 氏名 姓名 名前 이름 성명 الاسم שם שםמלא",
    "last": "lastname last surname familyname nachname familienname nomdefamille apellido apellidos primerapellido "
    "cognome sobrenome apelido achternaam efternamn etternavn efternavn sukunimi nazwisko prijmeni priezvisko prezime "
    "vezeteknev soyad soyadi фамилия 姓 성 שםמשפחה",
    "first": "firstname first givenname givennames forename forenames vorname vornamen rufname prenom prenoms nombre "
    "nombres nome voornaam fornamn fornavn etunimi imie jmeno meno ime keresztnev ad adi имя 名 שםפרטי",
    "student_id": "id studentid studentno studentnumber pupilid pupilnumber personid admissionnumber admissionno sid "
    "upn ine schulernummer schulerid schulernr matrikelnummer matricule numeroeleve matricula idalumno numeroalumno "
    "leerlingnummer elevnummer iducznia 学号 学籍番号 학번",
    "class": "class classname homeroom room section form tutorgroup registrationgroup klasse classe clase grupo turma "
    "klas klass klasa trida trieda osztaly sinif luokka класс クラス 班级 반",
    "grade": "grade gradelevel yeargroup level jahrgang jahrgangsstufe klassenstufe stufe niveau curso grado",
    "years": "schoolyear schoolyears year years academicyear academicyears enrolled enrolment enrollment session "
    "schuljahr schuljahre jahr jahre anno anneescolaire anneesscolaires annee anoescolar anosescolares cursoescolar "
    "annoscolastico anniscolastici anoletivo anosletivos schooljaar schooljaren skolear skolar lasar rokszkolny "
    "skolnirok учебныйгод ogretimyili 年度 학년도",
    "siblings": "sibling siblings brothersandsisters geschwister geschwisterkinder fratrie freresetsoeurs hermanos "
    "fratelli fratelliesorelle irmaos broersenzussen syskon sosken soskende rodzenstwo sourozenci братьяисестры "
    "kardes kardesler 兄弟姉妹 형제자매",
    "consent": "consent photoconsent mediaconsent imageconsent photopermission permission photorelease mediarelease "
    "einwilligung fotoeinwilligung fotoerlaubnis zustimmung consentement autorisation droitalimage consentimiento "
    "autorizacion consenso autorizzazione consentimento autorizacao toestemming samtycke samtykke zgoda souhlas "
    "согласие onay 同意 동의",
    "refused": "nophoto nophotos photorefused donotphotograph donotpublish optout fotoverbot keinefotos",
    "birth_date": "birthdate dateofbirth birthday dob born geburtsdatum geburtstag gebdatum geboren datedenaissance "
    "naissance fechadenacimiento fechanacimiento datadinascita datadenascimento geboortedatum fodelsedatum fodselsdato "
    "syntymaaika dataurodzenia datumnarozeni датарождения dogumtarihi 生年月日 出生日期 생년월일",
    "folder": "imagefolder imagefoldername folder foldername ordner",
    "file": "imagefilename imagefile imagename filename image photo photofile photoname picture portrait portraitfile "
    "foto bild bilddatei",
}
_FIELDS = {alias: field for field, aliases in _ALIASES.items() for alias in aliases.split()}
# The Professional School Photographers Association's INDEX.TXT, whose first line often is a student's already.
PSPA = ("volume", "folder", "file", "grade", "last", "first", "class")
_PICTURES = (".jpg", ".jpeg", ".tif", ".tiff", ".png", ".bmp")

Columns = dict[int, str]


def columns_of(header: Sequence[str]) -> Columns:
    """Column → what it tells: a field of `_ALIASES`, or `in 2019-2020` for the class of that year. The first of two."""
    found: Columns = {}
    for place, title in enumerate(header):
        plain = _plain(title)
        years = school_years_in(title) if any(c.isdigit() for c in title) else None
        field = f"in {years[0]}" if years and len(years) == 1 and plain.isdigit() else _FIELDS.get(plain)
        if field is not None and field not in found.values():
            found[place] = field
    return _in_context(found, [_plain(title) for title in header])


def is_header(columns: Mapping[int, str]) -> bool:
    fields = set(columns.values())
    return "name" in fields or {"last", "first"} <= fields


def is_pspa(row: Sequence[str]) -> bool:
    return len(row) >= 6 and row[2].strip().lower().endswith(_PICTURES)


def _in_context(found: Columns, titles: Sequence[str]) -> Columns:
    """A column `Name` beside one of first names holds last names; `nom` is either; a lone `nome` is a whole name."""
    fields = set(found.values())
    if "nom" in titles and "last" not in fields and ("name" not in fields or "first" in fields):
        found = {**found, titles.index("nom"): "last" if "first" in fields else "name"}
    fields = set(found.values())
    if {"name", "first"} <= fields and "last" not in fields:
        return {place: "last" if field == "name" else field for place, field in found.items()}
    if "first" in fields and not fields & {"name", "last"}:
        return {place: "name" if field == "first" else field for place, field in found.items()}
    return found


def _plain(title: str) -> str:
    decomposed = unicodedata.normalize("NFKD", title.casefold().replace("ø", "o").replace("ı", "i").replace("ł", "l"))
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if c.isalnum()))
