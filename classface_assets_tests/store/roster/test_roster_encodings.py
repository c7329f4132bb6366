"""Encodings of rosters: lists of five to two hundred names of many languages are read right, guesses are reported."""

import random

import pytest

from classface_assets.store.roster.encoding import RosterError, decode_text
from classface_assets.store.roster.file import RosterFile, read_roster
from classface_assets.store.roster.table import RosterOptions

NAMES = {
    "Polish": (
        "Imię;Nazwisko;Klasa",
        "Łukasz Świętosława Zbigniew Grażyna Michał Małgorzata Paweł Żaneta Błażej Elżbieta Józef Bożena",
        "Żółć Wiśniewska Dąbrowski Kamińska Zieliński Woźniak Król Wróbel Śliwa Kaczyński Jabłońska Ćwik Nowak Źrebiec",
    ),
    "Czech": (
        "Jméno;Příjmení;Třída",
        "Jiří Tomáš Lukáš Kateřina Zdeněk Růžena Ondřej Žaneta Matěj Šárka Václav Alžběta",
        "Dvořák Černý Procházka Kučera Veselý Horák Němec Růžička Šimek Říha Křížová Ťukal Žďárská Novák",
    ),
    "Hungarian": (
        "Vezetéknév;Keresztnév;Osztály",
        "Győző László Zsófia Ágnes Jenő Ildikó Béla Éva Dezső Tünde Ödön Ernő",
        "Erdős Szőke Tóth Kőszegi Szűcs Molnár Németh Gerő Fülöp Kovács Szabó Hegedűs Vörös Lőrincz",
    ),
    "Russian": (
        "Фамилия;Имя;Класс",
        "Анна Дмитрий Юлия Сергей Ольга Андрей Екатерина Фёдор Алексей Мария Щукарь Эльвира",
        "Иванова Петров Смирнов Кузнецова Попов Васильева Соколов Михайлов Новикова Фёдоров Морозов Волкова Жуков Юдин",
    ),
    "Greek": (
        "Όνομα;Επώνυμο;Name",
        "Γιώργος Μαρία Δημήτρης Ελένη Νίκος Κατερίνα Άννα Βασίλης Έλλη Χρήστος",
        "Παπαδόπουλος Οικονόμου Νικολαΐδης Γεωργίου Δημητρίου Άγγελος Ιωάννου Καραγιάννης Μακρής Χατζής",
    ),
    "Turkish": (
        "Adı;Soyadı;Sınıf",
        "Ayşe Çağlar Işıl Oğuz Gökçe Şükrü İbrahim Özgür Müge Tuğba",
        "Yılmaz Öztürk Şahin Doğan Kılıç Çelik Aydın Güneş Yıldız Gül Ateş Işık Türkoğlu Çakır",
    ),
    "Hebrew": (
        "שם פרטי;שם משפחה;כיתה",
        "מיכל דוד שרה יוסף רחל אברהם נועה איתי תמר עומר",
        "לוי כהן מזרחי פרץ ביטון אברהם פרידמן שפירא גולדברג חדד",
    ),
    "Arabic": (
        "الاسم;اسم العائلة;الصف",
        "أحمد محمد فاطمة علي خديجة يوسف مريم عمر ليلى إبراهيم",
        "العلي الحسن المصري الشامي الحداد النجار القاسم المنصور العمري الخطيب",
    ),
    "German": (
        "Vorname;Nachname;Klasse",
        "Jörg Zoë Anna Björn Käthe Günter Lukas Jürgen Emma Sören",
        "Müller Weiß Schröder Jäger Krüger Schäfer Köhler Groß Böhm Meier Huber Vogt Schmidt Löwe",
    ),
    "French": (
        "Prénom;Nom;Classe",
        "Élodie François Zoé Jérôme Chloé Noël Hélène Benoît Anaïs Paul",
        "Lefèvre Müller Gauthier Béranger Côté Lévêque Hébert Garçon Dupré Martin Forêt Maître",
    ),
    "Spanish": (
        "Nombre;Apellidos;Curso",
        "José María Íñigo Begoña Raúl Ángela Sofía Iván Lucía Óscar",
        "Muñoz García Núñez López Martínez Peña Sánchez Ibáñez Ruiz Güell",
    ),
    "Japanese": (
        "氏名;組",
        "花子 太郎 陽菜 大輔 美咲 翔太 直樹 さくら 健一 七海",
        "佐藤 鈴木 高橋 田中 渡辺 伊藤 山本 中村 小林 加藤",
    ),
    "Chinese": (
        "姓名;班级",
        "伟 芳 娜 秀英 敏 静 丽 强 磊 军",
        "王 李 张 刘 陈 杨 赵 黄 周 吴",
    ),
    "Korean": (
        "이름;반",
        "민준 서연 지훈 수빈 현우 지우 예은 도윤 하은 준서",
        "김 이 박 최 정 강 조 윤 장 임",
    ),
}
SAVED = [
    *(("Polish", "cp1250"), ("Polish", "iso8859-2"), ("Czech", "cp1250"), ("Czech", "iso8859-2")),
    *(("Hungarian", "cp1250"), ("Hungarian", "iso8859-2"), ("Russian", "cp1251"), ("Russian", "koi8-r")),
    *(("Greek", "cp1253"), ("Turkish", "cp1254"), ("Hebrew", "cp1255"), ("Arabic", "cp1256")),
    *(("German", "cp1252"), ("German", "mac-roman"), ("French", "cp1252"), ("French", "mac-roman")),
    *(("Spanish", "cp1252"), ("Spanish", "mac-roman"), ("German", "cp850"), ("French", "iso8859-15")),
    *(("Japanese", "cp932"), ("Japanese", "euc-jp"), ("Chinese", "gbk"), ("Korean", "euc-kr")),
    *(("Japanese", "iso2022-jp"), ("Russian", "utf-16-le"), ("Japanese", "utf-16-be"), ("German", "utf-32-le")),
]


def roster(language: str, size: int) -> str:
    """A list of so many names, the same at every call."""
    title, first, last = NAMES[language]
    both = [(a, b) for a in first.split() for b in last.split()]
    some = random.Random(size).choices(both, k=size)
    glue = ";" if title.count(";") == 2 else ""
    rows = [glue.join((b, a) if not glue else (a, b)) + f";{n % 6 + 1}a" for n, (a, b) in enumerate(some)]
    return "\r\n".join([title, *rows]) + "\r\n"


@pytest.mark.parametrize("size", [5, 30, 200])
@pytest.mark.parametrize(("language", "encoding"), SAVED)
def test_names_come_out_as_they_were_written(language: str, encoding: str, size: int) -> None:
    text = roster(language, size)
    found = decode_text(text.encode(encoding))
    assert found.text == text, found.encoding
    assert found.guessed or encoding.startswith(("utf", "iso2022"))


def test_a_guessed_encoding_is_reported_with_names_to_judge_it_by() -> None:
    found = read_roster(roster("Polish", 5).encode("cp1250"))
    report = found.report
    assert (report.encoding, report.guessed) == ("cp1250", True)
    assert len(report.examples) == 3 and all(not name.isascii() and "£" not in name for name in report.examples)
    assert not read_roster(roster("Polish", 5).encode()).report.guessed


def names(found: RosterFile) -> list[str]:
    return [entry.name for entry in found.entries]


def test_one_bad_byte_does_not_garble_the_rest_and_its_row_is_reported() -> None:
    content = "Name;Klasse\nJörg Müller;3a\nZoë Weiß;3b\nAnna Öz;3c\n".encode().replace("ß".encode(), b"\xdf")
    found = read_roster(content)
    assert names(found) == ["Jörg Müller", "Zoë Wei\N{REPLACEMENT CHARACTER}", "Anna Öz"]
    assert found.report.replaced == (3,) and found.needs_review


def test_names_that_were_garbled_before_are_reported() -> None:
    found = read_roster("Name\nJörg Müller\nAnna Weiss\n".encode().decode("cp1252").encode())
    assert found.report.garbled == ("JÃ¶rg MÃ¼ller",) and found.needs_review
    assert read_roster("Name\nJörg Müller\nÃnna\n".encode()).report.garbled == ()


def test_a_named_encoding_counts_whatever_the_bytes_look_like() -> None:
    content = "Name\nRenØ Müller\n".encode("cp1252")
    assert names(read_roster(content, options=RosterOptions(encoding="Windows-1252"))) == ["RenØ Müller"]
    polish = roster("Polish", 5).encode("cp1250")
    assert "£ukasz" in decode_text(roster("Polish", 200).encode("cp1250"), "latin-1").text
    assert decode_text(polish, "cp1250").text == roster("Polish", 5) and not decode_text(polish, "cp1250").guessed


@pytest.mark.parametrize("name", ["klingon", "rot13", "hex", "base64", " "])
def test_an_encoding_that_is_none_ends_in_one_sentence(name: str) -> None:
    with pytest.raises(RosterError, match="is no encoding of text; write one like utf-8, cp1250"):
        decode_text(b"Name\nAnna\n", name)
