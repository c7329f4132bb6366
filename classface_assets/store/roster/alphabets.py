"""Letters beyond ASCII in the names of many languages, the most frequent first, and the encodings that hold them.

Counted in lists of common first and last names of each language. What follows for a file belongs in `encoding`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """A language of names.

    Attributes:
        letters: Its letters beyond ASCII in lower case, the most frequent first.
        encodings: Encodings in which such lists are saved.
        titles: Words of ASCII letters in titles of columns of this language.
        prior: Natural logarithm of how frequent such lists are, relative to the others.
    """

    letters: str
    encodings: frozenset[str]
    titles: frozenset[str] = frozenset()
    prior: float = 0.0


_WEST = "cp1252 iso8859-1 iso8859-15 mac-roman"
_CENTRAL = "cp1250 iso8859-2 mac-latin2"
_BALTIC = "cp1257 iso8859-13 iso8859-4"
_CYRILLIC = "cp1251 koi8-r koi8-u iso8859-5 mac-cyrillic cp866"
_TABLE = (
    (
        "üöäßé",
        f"{_WEST} cp1250 iso8859-2 cp1254 iso8859-9 cp1257 cp850 cp437",
        "nachname vorname klasse familienname jahrgang geburtsdatum schuljahr einwilligung",
        0.0,
    ),  # German
    ("éèïçôëîêàâùûœæ", f"{_WEST} cp850 cp437", "nom prenom classe autorisation naissance niveau", 0.0),  # French
    (
        "íáéñóúüèàç",
        f"{_WEST} cp850",
        "nombre apellido apellidos alumno clase curso grupo fecha",
        0.0,
    ),  # Spanish, Catalan
    ("ãíçáéúóâõêôà", _WEST, "nome aluno turma apelido sobrenome nascimento", 0.0),  # Portuguese
    ("òèàùéì", _WEST, "cognome nome classe alunno nascita consenso", 0.0),  # Italian
    ("ëéïèöçü", _WEST, "naam voornaam achternaam klas leerling geboortedatum toestemming", 0.0),  # Dutch
    (
        "öåéäü",
        f"{_WEST} cp850",
        "namn efternamn klass etunimi sukunimi luokka elev personnummer",
        0.0,
    ),  # Swedish, Finnish
    ("øåæéöä", f"{_WEST} cp850", "navn etternavn fornavn efternavn klasse elev samtykke", 0.0),  # Danish, Norwegian
    ("íáóðéöúæþý", _WEST, "nafn bekkur nemandi", -2.0),  # Icelandic
    ("łóńśżąęźćü", _CENTRAL, "nazwisko klasa ucznia zgoda data urodzenia", 0.0),  # Polish
    ("ášíčřěžýéůňťúďóü", _CENTRAL, "souhlas datum jmeno prijmeni trida rodne", 0.0),  # Czech
    ("ášíčľžýéúňďóťôäĺŕ", _CENTRAL, "meno priezvisko trieda", 0.0),  # Slovak
    ("áéóöőüűíú", _CENTRAL, "keresztn csal osztaly oszt ly vezet nem", 0.0),  # Hungarian
    ("ćščžđ", _CENTRAL, "ime prezime razred ucenik", 0.0),  # Croatian, Bosnian, Serbian in Latin letters
    ("čšžć", _CENTRAL, "ime priimek razred", -1.0),  # Slovene
    ("ăâîșțşţ", _CENTRAL, "nume prenume clasa elev", 0.0),  # Romanian
    ("üıçşğöiâûî", "cp1254 iso8859-9 mac-turkish cp857", "soyad soyadi ad adi numara", 0.0),  # Turkish
    ("ėžšūčęąįų", _BALTIC, "vardas pavarde klas", -0.5),  # Lithuanian
    ("ņīšāēūģļķžč", _BALTIC, "vards uzvards klase", -0.5),  # Latvian
    ("õäüšžö", f"cp1252 {_BALTIC} iso8859-15", "nimi eesnimi perenimi klass", -4.0),  # Estonian
    ("аовиенрлскмтдпфйгуябьзхшыюцчжэщё", _CYRILLIC, "", 0.0),  # Russian
    ("аонекрлисвмітдбуягчйпьхзшюцєфжщʼґї", "cp1251 koi8-u iso8859-5 mac-cyrillic", "", 0.0),  # Ukrainian
    ("аовикнерлтсдмпучбгяъзшхйцжфьющ", "cp1251 iso8859-5 mac-cyrillic", "", 0.0),  # Bulgarian
    ("аијнонеервкстдмлубгпзћчцшјњљжхђџф", "cp1251 iso8859-5", "", 0.0),  # Serbian, Macedonian
    ("αορςλντκηισυάμπίεδγόύβήέωχφθζώξψΐϊ", "cp1253 iso8859-7 mac-greek", "", 0.0),  # Greek
    ("יאורלהמבןדנשחעגסתכפטםזקץצףך", "cp1255 iso8859-8 cp862", "", 0.0),  # Hebrew
    ("الينرمعبدآوفحجسشقهصخكةضتطزأغظءئىثؤذإ", "cp1256 iso8859-6", "", 0.0),  # Arabic
    ("ایمرندسلوهيحعبتزشجفپکآضطگصثقكغخچئظ", "cp1256", "", 0.0),  # Persian
    ("นราวยตกมพสทเอลดธชงะณศภญจปบถษคฐหแไำขโฉฒฤผซฮฎฑฏใฟฆฬฌัิีุู์่้็ื๊", "cp874", "", 0.0),  # Thai
)
LANGUAGES = tuple(
    Language(letters, frozenset(encodings.split()), frozenset(titles.split()), prior)
    for letters, encodings, titles, prior in _TABLE
)

_JAPANESE = (
    "藤田子山木太中佐本村橋加一樹鈴直裕林美陽小高香井伊川平渡辺介真郎也吉上松口々淳稔岡七夏翼綾桃織学英知実康弘春充亮聡涼千代"
    "結衣修治人晃篤司石奈舞里佳洋健斎和幹智花明浩零下島崎池京助拓翔阿部清水後西福森近坂青長谷前斉三浦原遠大悠斗蓮陽葵莉咲愛菜優"
    "翔太蒼颯悠真結菜凛心桜彩花野内金今安菅宮久保竹菊杉丸沢澤年組男女氏名生徒性別学籍番号クラス保護者同意"
)
_SIMPLIFIED = (
    "李王张秀刘桂梅兰玉英华杨建丽陈珍淑凤红荣周芳丹赵林黄婷吴雪燕金云军霞平孙朱强娟高徐郑许文郭龙雷莉玲胡亮磊春罗马海刚鹏柳瑞何香利"
    "琴东斌梁楠莹成宋璐超峰涛敏艳鑫娜瑜芝国洁邓冬坤勇萍欣晶小曾浩宁杰畅颖博琳俊阳凯旭慧冯辉谢健飞兵潘帆静志岩洋明唐谭伟帅花彬宇钟"
    "贾吕佳倩田丁欢杜波韩程叶董陆戴彭苏沈方曹韦晨范蒋毛魏孟万袁蔡邹余秦姜石姚崔白任廖贺卢傅汪钱温严夏向葛薛江常史孔子轩涵怡梓"
    "诗雨欣然思浩然姓名学号班级性别年出生日期男女三四五六二一大山"
)
_TRADITIONAL = (
    "美陳淑秀林麗黃玲玉志惠張雅珠李華吳王劉明文珍俊娟怡宏英素蔡蘭許楊建雄雲琴婷鄭鳳宇月貞芬家慧謝郭豪洪卿廖廷曾梅秋葉周佳柏冠翰邱徐"
    "賴碧成金銘恩宗承蘇子江香雯盧宜靜呂高傑龍榮春強娥鍾詹羅雪何正蓮萍睿施蓁潘霞忠涵敏霖欣義心朱莊世君游胡賢哲蓉顏偉蕭余寶沈彤詩宥"
    "簡彥枝翔彭梁進昌軒德鴻晴良國柯欽芳語鈺趙興鄧威方孫侯瑋武博姜魏宋范品唐程連章婉永萱宸彬佑馮誠薛輝卓詠杜阮馬姓名學號班級性別"
)
_KOREAN = (
    "김이영지정현박수서민진은준자숙호성우윤최경순미예원상훈주옥장강재희철한혜하오연명송안도고식류홍황권혁백남조아유석문손승환종빈양배선건채"
    "시동춘일광후심웅허전길곽차름노병보람신중임구나엄은채린율태규름범찬별솔다가라름생월년학번이름성명반동의"
)
FREQUENT_CHARACTERS = {
    "cp932": frozenset(_JAPANESE),
    "euc-jp": frozenset(_JAPANESE),
    "gb18030": frozenset(_SIMPLIFIED),
    "big5hkscs": frozenset(_TRADITIONAL),
    "cp949": frozenset(_KOREAN),
}
"""Encodings of several bytes a character: the characters that are frequent in names."""
