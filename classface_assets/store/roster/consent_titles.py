"""Which columns of a roster say whether somebody may be shown, by the words of their titles in many languages.

What their cells mean belongs in `answers`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from classface_assets.store.model.purposes import Purpose
from classface_assets.store.roster.titles import contains_stem, drop_yes_no, strip_accents, title_words, word_list

# Stems as `roster_titles.holds` reads them: `.` ends a whole word, `_` parts two words.
_CONSENT = word_list(
    """
    consent consens permiss authoris authoriz autoris autoriz optin opt_in photorelease mediarelease waiver
    einwillig erlaubnis zustimm genehmig einverstand freigabe veroffentlich bildrecht recht_am_bild
    droit_a_l_image droitalimage permiso permesso liberatoria toestemming samtyck samtykk medgiv tillatels
    tilladels zgod. zgoda zgody souhlas suhlas svoleni povolen pozwolen соглас разреш дозвол згода onay. onayi
    izin. izni muvafakat riza. rizasi 同意 許可 許諾 承諾 授权 授權 许可 允许 允許 동의 허가 허락 승인
    hozzajarul engedely suostumus συγκαταθεσ συναινεσ αδεια موافقة موافقه אישור הסכמה acordul consimt
    suglasnost privola soglasje publish publier publica pubblica publice publik publici publicat zverejn
    uverejn offentliggj опублик публик kozzetet julkais 掲載 公開 公开 发布 發布 공개 게시
    """
)
# These are of consent beside a word for pictures, and alone might be of anything.
_WEAK = word_list(
    """
    release ok. okay. allow agree permit. permitted approv granted accord erlaubt gestattet autor. accept
    darf. may. can. lov. far. lupa. mag. peut. puede. pode. puo.
    """
)
_PICTURES = word_list(
    """
    photo foto fotk picture pictures image images imagen imagem immagin bild bilder bilde billed beeld
    beeldmat zdjec wizerun snimk obraz. obraze resim resm. gorsel kep. kepek fenykep valokuv kuva. kuvau kuvia
    video film. filme filming media medien medios portrait фото снимк съемк изображ відео видео φωτογραφ صور
    תמונ צילום 写真 寫真 撮影 照片 肖像 相片 사진 촬영 초상 naming named
    """
)
_WEB = word_list(
    """
    web internet online social facebook instagram tiktok twitter youtube homepage site. sites blog hjemmesid
    hemsid nettsid netz. soziale sociale sociaux redes. sitio sito. strona stron. witryn сайт интернет соцсет
    інтернет webov ホームページ ウェブ インターネット サイト 网站 网络 網站 網路 互联网 온라인 인터넷 홈페이지
    웹
    """
)
_YEARBOOK = word_list(
    """
    yearbook annual. jahrbuch anuario annuario annuaire jaarboek arsbok arbok. aarbog arbog. rocznik rocenk
    rocenc ежегодник щоричник yillig yillik 卒業アルバム 年鉴 年鑑 毕业册 畢業冊 졸업앨범 evkonyv vuosikirj
    """
)
_ALBUM = word_list(
    """
    album albums print printed druck drucksach gedruckt imprim impres stampa tryk. druk. druki печат アルバム
    相册 앨범
    """
)
# Other places to be shown in, of which a photo archive knows nothing: a no counts for every purpose, a yes for none.
_ELSEWHERE = word_list(
    """
    press presse prensa stampa. pers. prasa newspaper zeitung journal. newsletter marketing advert werbung
    publicit prospectus brochure broschur flyer display local_paper internal intern. interne. interno interna
    intranet classroom in_school school_use
    """
)
_REFUSAL = word_list(
    """
    optout opt_out optedout opted_out refus denied deny. withh withdr prohibit forbid forbidden exclu restrict
    suppress block. verbot verbiet verweiger ablehn widerspr widerruf untersag interdi oppos rifiut vietat
    divieto recusa proib prohib rechaz negad denegad weiger bezwaar verbod nekar. nekad nekte forbud forbjud
    sprzeciw odmow zakaz nesouhlas nesuhlas отказ запрет запрещ возраж відмов istemiyor yasak reddet 不同意
    不許可 不可 拒否 拒绝 拒絕 禁止 거부 금지 불가 미동의 objection objects
    """
)
_NOT = word_list(
    """
    no not dont donot never without kein keine keiner nicht ohne pas sans sin non senza nao sem geen niet
    zonder inte ingen inga ej ikke uten uden nie brak bez ne не без нет ni nem tilos ei nu fara olmadan
    """
)
# Of a form and not of the answer on it.
_FORM = word_list(
    """
    returned received signed sent zuruck zuruckgegeben abgegeben erhalten recu rendu recibido entregado
    given_by signed_by obtained_by relationship
    """
)
_ALONE = word_list(
    """
    optout opt_out optedout opted_out
    """
)
_OTHER_MATTER = word_list(
    """
    medical medic. medication medicine health doctor hospital first_aid firstaid paracetamol ibuprofen
    sunscreen allerg vaccin immuni trip trips excursion outing visit. visits swim swimming bus transport walk.
    walking leave. dismissal pickup pick_up collect collected sms text. email mail. newsletters lunch food
    meal diet internet_access internet_use computer chromebook ipad device medizin arzt impf ausflug schwimm
    sortie piscine medica gita medicin utflykt lekar szczep wycieczk plavani szczepie bathing baden sex rse
    religion religious counsel payment fee date. datum. fecha. data. dato. дата tarih 日付 日期 날짜 sen. eal.
    esl. ell. iep. fsm. premium active boarder boarding transfer glasses
    """
)
_PRIVACY = word_list(
    """
    gdpr dsgvo ds_gvo rgpd rodo. lgpd kvkk avg. ferpa privacy privat. datenschutz dataprotection
    data_protection protection_des_donnees vie_privee proteccion_de_datos protezione_dei_dati gegevensbescherm
    dataskydd databeskytt personvern ochrana ochrona osobn персональн directory publicity 個人情報 隐私
    개인정보
    """
)


class Certainty(Enum):
    """How sure it is that a column is about consent: by its title; or by its cells, which look like yes and no."""

    SURE = "sure"
    ASK = "ask"


@dataclass(frozen=True)
class ConsentColumn:
    """A column of answers about consent.

    Attributes:
        place: Number of the column.
        title: Its title.
        purposes: Those that the title names, none for all.
        refuses: A yes is a refusal.
        elsewhere: It asks about places in which this archive shows nobody.
        uncertain: Nobody confirmed that it is about consent.
    """

    place: int
    title: str
    purposes: tuple[Purpose, ...] = ()
    refuses: bool = False
    elsewhere: bool = False
    uncertain: bool = False


def consent_certainty(title: str) -> Certainty | None:
    """How sure it is that a title is about consent to be shown; None where it is about something else."""
    words = _consent_words(title)
    pictures = contains_stem(words, _PICTURES)
    shown = pictures or contains_stem(words, (*_WEB, *_YEARBOOK, *_ALBUM, *_ELSEWHERE))
    privacy = contains_stem(words, _PRIVACY)
    if contains_stem(words, _OTHER_MATTER) and not (pictures or privacy):
        return None
    strong, refusal = contains_stem(words, _CONSENT), contains_stem(words, _REFUSAL) or _is_negative(words)
    if contains_stem(words, _ALONE) or (refusal and (shown or strong)):
        return Certainty.SURE
    if (strong or (shown and contains_stem(words, _WEAK))) and not contains_stem(words, _FORM):
        return Certainty.SURE
    return Certainty.ASK if shown or strong or privacy or contains_stem(words, (*_REFUSAL, *_WEAK)) else None


def is_unrelated(title: str) -> bool:
    """Whether a title says that its yes and no are of something else."""
    return contains_stem(_consent_words(title), _OTHER_MATTER)


def _is_negative(words: Sequence[str]) -> bool:
    """Whether a title holds a negation; a `no` at its end is a number, as in `Photo no`."""
    return not set(_NOT).isdisjoint(words[:-1] if words[-1:] == ("no",) else words)


def consent_column(place: int, title: str, uncertain: bool = False) -> ConsentColumn:
    """The column of that title, with what the title tells about the answers below it."""
    words = _consent_words(title)
    named = ((Purpose.ALBUM, _ALBUM), (Purpose.YEARBOOK, _YEARBOOK), (Purpose.WEB, _WEB))
    purposes = tuple(purpose for purpose, stems in named if contains_stem(words, stems))
    if Purpose.YEARBOOK in purposes and not contains_stem(
        [w for w in words if not contains_stem([w], _YEARBOOK)], _ALBUM
    ):
        purposes = tuple(purpose for purpose in purposes if purpose is not Purpose.ALBUM)
    refuses = contains_stem(words, _REFUSAL) or _is_negative(words)
    elsewhere = not purposes and contains_stem(words, _ELSEWHERE)
    return ConsentColumn(place, " ".join(title.split()), purposes, refuses, elsewhere, uncertain)


def matches_title(column: str, titles: Sequence[str]) -> bool:
    """Whether the title of a column is one of these, whatever its case, accents and spaces."""
    return any(strip_accents(" ".join(column.split())) == strip_accents(" ".join(title.split())) for title in titles)


def _consent_words(title: str) -> tuple[str, ...]:
    words = title_words(drop_yes_no(title))
    return tuple("dont" if pair == ("don", "t") else pair[0] for pair in zip(words, (*words[1:], ""), strict=True))
