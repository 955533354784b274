"""The words that tell what a column of a foreign list is: headers of some thirty languages, and of forms that ask in whole sentences. Pure.

``understood(header)`` first looks for the very word, then for a question about consent or about being shown, at last for the word that such
headers contain. What is only nearly understood is left out: a person sees it, and a map can say it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from monitor.countries import fold
from monitor.links import EMAIL, LINK, NAMES, platform_named

FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "attendee": ("attendee", "id", "no", "number", "reg no", "registration", "registration no", "registration number", "registration id",
                 "attendee id", "participant id", "badge", "badge number", "编号", "报名编号", "注册号", "序号编号", "报名号", "参会编号", "número", "numero",
                 "inscripción", "número de inscripción", "inscrição", "número de inscrição", "номер", "регистрационный номер",
                 "رقم", "رقم التسجيل", "numéro", "numéro d inscription", "nomor", "nomor pendaftaran", "guest id", "code",
                 "anmeldenummer", "teilnehmernummer", "nr", "kayıt no", "kayıt numarası", "katılımcı no", "登録番号", "受付番号",
                 "numer rejestracyjny", "numero di iscrizione", "mã đăng ký", "หมายเลขลงทะเบียน", "編號", "報名編號", "참가번호",
                 "реєстраційний номер", "reg szám", "regisztrációs szám", "azonosító", "registrační číslo", "číslo registrace", "registračné číslo",
                 "număr de înregistrare", "nr înregistrare", "αριθμός εγγραφής", "מספר רישום", "מספר הרשמה", "registracijski broj",
                 "регистрационен номер", "anmälningsnummer", "tilmeldingsnummer", "påmeldingsnummer", "ilmoittautumisnumero"),
    "email": ("email", "e mail", "mail", "email address", "e mail address", "邮箱", "电子邮箱", "电子邮件", "correo", "correo electrónico", "e mail do participante",
              "почта", "эл почта", "электронная почта", "البريد الإلكتروني", "courriel", "adresse e mail", "surel",
              "e posta", "メール", "メールアドレス", "이메일", "อีเมล", "電子郵件", "email cím", "e mail cím", "e mailová adresa", "ηλεκτρονική διεύθυνση", "אימייל", "דואר אלקטרוני", "e pošta", "имейл",
              "sähköposti", "e post"),
    "name": ("name", "full name", "attendee name", "your name", "姓名", "名字", "全名", "nombre", "nombre completo", "nome", "nome completo", "имя", "фио",
             "имя и фамилия", "الاسم", "الاسم الكامل", "nom", "nom complet", "nom et prénom", "nama", "nama lengkap",
             "vor und nachname", "vorname nachname", "ad soyad", "adı soyadı", "isim", "氏名", "お名前", "이름", "성명",
             "họ và tên", "họ tên", "ชื่อ นามสกุล", "ชื่อ", "imię i nazwisko", "nome e cognome", "nombre y apellidos",
             "nombre y apellido", "ім я", "піб", "naam", "نام", "név", "teljes név", "jméno", "jméno a příjmení", "celé jméno", "meno", "meno a priezvisko", "nume",
             "nume și prenume", "nume complet", "όνομα", "ονοματεπώνυμο", "שם", "שם מלא", "ime", "ime i prezime", "име", "име и фамилия", "namn", "navn",
             "nimi", "vārds", "vārds uzvārds", "vardas", "vardas pavardė", "аты жөні", "ism"),
    "given": ("first name", "given name", "given names", "forename", "firstname", "vorname", "prénom", "prenom", "primer nombre", "primeiro nome", "名", "名前",
              "الاسم الأول", "nama depan", "imię", "ad", "adı", "tên", "voornaam", "förnamn", "fornavn", "etunimi", "křestní jméno",
              "keresztnév", "prenume"),
    "surname": ("last name", "surname", "family name", "lastname", "familyname", "second name", "nachname", "familienname", "nom de famille", "apellido", "apellidos",
                "sobrenome", "apelido", "cognome", "фамилия", "прізвище", "姓", "姓氏", "اسم العائلة", "اللقب", "اسم العائله", "nama belakang", "nama keluarga",
                "soyad", "soyadı", "soyisim", "nazwisko", "họ", "นามสกุล", "苗字", "성", "achternaam", "efternamn", "efternavn", "etternavn", "sukunimi", "příjmení",
                "priezvisko", "vezetéknév", "nume de familie", "επώνυμο", "שם משפחה", "prezime"),
    "country": ("country", "country region", "country or region", "nation", "market", "国家", "国家地区", "国家/地区", "país", "pais", "страна", "البلد",
                "الدولة", "pays", "negara",
                "land", "ülke", "kraj", "paese", "quốc gia", "ประเทศ", "国", "国名", "國家", "국가", "nazione", "herkunftsland",
                "країна", "国籍", "کشور", "ország", "země", "stát", "krajina", "țara", "χώρα", "מדינה", "ארץ", "država", "zemlja", "държава", "maa", "valsts",
                "šalis", "riik", "davlat", "mamlakat"),
    "language": ("language", "lang", "语言", "idioma", "язык", "اللغة", "langue", "bahasa",
                 "sprache", "dil", "język", "lingua", "ngôn ngữ", "ภาษา", "言語", "언어", "мова", "nyelv", "jazyk", "limba", "γλώσσα", "שפה", "jezik", "език", "språk", "sprog", "kieli"),
    "platform": ("platform", "平台", "直播平台", "plataforma", "платформа", "المنصة", "plateforme", "channel type", "社交平台",
                 "plattform", "piattaforma", "platforma", "nền tảng", "แพลตฟอร์ม", "プラットフォーム", "플랫폼", "سکو", "πλατφόρμα", "פלטפורמה"),
    "handle": ("handle", "channel", "account", "url", "link", "channel url", "channel link", "account name", "live link", "profile", "profile url",
               "账号", "帐号", "频道", "链接", "直播间", "主页链接", "账号链接", "cuenta", "canal", "enlace", "conta", "link do canal", "аккаунт", "канал",
               "ссылка", "الحساب", "القناة", "الرابط", "compte", "chaîne", "lien", "akun", "saluran", "tautan", "social media", "social media link",
               "kanal", "konto", "benutzername", "bağlantı", "profil", "チャンネル", "アカウント", "채널", "계정", "ช่อง", "ลิงก์",
               "kênh", "kanał", "canale", "帳號", "頻道", "直播连接", "直播链接", "kullanıcı adı", "username", "user name",
               "nom d utilisateur", "usuario", "usuário", "csatorna", "fiók", "hivatkozás", "účet", "odkaz", "κανάλι", "λογαριασμός", "σύνδεσμος", "ערוץ",
               "קישור", "חשבון", "poveznica", "kanava", "linkki", "länk"),
    "native_id": ("native id", "channel id", "room id", "房间号", "user id"),
    "live_url": ("live url", "stream url"),
    "tags": ("tags", "tag", "group", "category", "track", "标签", "分组", "类别", "grupo", "categoría", "группа", "المجموعة", "groupe", "kelompok"),
    "priority": ("priority", "优先级", "prioridad", "prioridade", "приоритет", "priorité", "prioritas"),
    "liaison": ("liaison", "contact person", "account manager", "联络人", "对接人", "负责人", "enlace comercial", "responsável", "ответственный"),
    "show_name": ("show name", "show my name", "name on screen", "name on screens", "展示姓名", "显示姓名"),
    "consent": ("consent", "agree", "i agree", "agreement", "permission", "同意", "授权", "是否同意", "是否授权", "consentimiento", "consentimento", "autorizo",
                "согласие", "الموافقة", "consentement", "persetujuan", "read my public chat",
                "einwilligung", "einverständnis", "einverstanden", "onay", "kabul", "zgoda", "acconsento", "consenso",
                "đồng ý", "ยินยอม", "อนุญาต", "同意する", "동의", "toestemming", "згода", "rıza", "hozzájárulás", "beleegyezés", "souhlas", "súhlas", "acord", "consimțământ", "συγκατάθεση", "הסכמה", "pristanak",
                "suglasnost", "samtycke", "samtykke", "suostumus"),
    "consent_at": ("consent at", "timestamp", "submitted at", "submission time", "submit time", "提交时间", "填写时间", "marca temporal",
                   "carimbo de data hora", "отметка времени", "horodateur", "stempel waktu", "طابع زمني"),
    "verified": ("verified", "已核实", "verificado", "проверено", "vérifié"),
    "status": ("status", "registration status", "参会状态", "报名状态", "状态", "estado", "situação", "статус", "الحالة", "statut", "durum", "狀態", "ステータス"),
    "person": ("person",),
    "note": ("note", "notes", "comment", "comments", "remark", "remarks", "备注", "nota", "notas", "observações", "примечание", "ملاحظات", "remarque", "catatan", "megjegyzés", "poznámka", "observații", "σημείωση", "הערה", "napomena"),
}  # fmt: skip
"""Field of the roster (and ``email`` and ``status``, which are never kept, and the two parts of a name) → how headers call it."""


_FIELD_OF: Final = {fold(word): name for name, words in reversed(FIELDS.items()) for word in words}
COUNTING: Final = frozenset(fold(word) for word in ("no", "nr", "n", "#", "№", "n°", "s no", "sl no", "sr no", "序号"))
"""Headers that may stand above a registration number, or above 1, 2, 3, which is none."""
CONSENT: Final = re.compile(
    r"consent|\bagree|authori[sz]e|permission|permit|\ballow|同意|授权|允许|許可|consiento|acept|aceit|autoriz|concord|соглас|разреш|згод|дозвол"
    r"|أوافق|موافق|accepte|autoris|setuju|izin|einwillig|zustimm|stimme zu|einverstanden|erlaub|kabul|onayl|acconsent|zgadzam|zgod"
    r"|ยินยอม|อนุญาต|đồng ý|cho phép|동의"
)
CHAT: Final = re.compile(
    r"chat|comment|read|collect|评论|弹幕|聊天|读取|coment|leer|ler |чат|коммент|читат|دردش|تعليق|lire|lu[es]? |obrolan|komentar|baca"
    r"|leiam|leam|lea |leitura|lectura|lesen|kommentar|sohbet|okun|lett[oa]|leggere|czyt|czat|อ่าน|แชท|đọc|trò chuyện|チャット|コメント|읽|채팅"
)
OTHER_TICK: Final = re.compile(
    r"name|screen|display|show|contact|e mail|photo|newsletter|privacy|not |姓名|展示|显示|联系|邮件|照片|隐私|不同意|nombre|nome|pantalla|tela|contact"
    r"|имя|экран|связ|اسم|شاشة|تواصل|\bnom\b|écran|nama|layar|hubung|bildschirm|kontakt|\bnicht\b|ekran"
)
"""Three things are ticked separately; what speaks of more than the chat is left to a person."""
NAMED: Final = re.compile(r"\bname|姓名|名字|nombre|\bnome\b|имя|имени|اسم|\bnom\b|\bnama|isim|\badım")
SCREEN: Final = re.compile(r"screen|display|\bshow|展示|显示|屏|pantalla|\btela|ecrã|экран|شاش|écran|layar|bildschirm|ekran")
AMOUNT: Final = re.compile(
    r"follower|subscriber|\bfans\b|views|粉丝|подписчик|seguidor|inscritos|abonn|pengikut|how many|数量|takipçi|المتابعين|viewers|zuschauer"
)
"""A number about a channel is no channel."""
FOREIGN: Final = re.compile(
    r"emergency|company|organi[sz]ation|dealer|sponsor|hotel|flight|passport|birth|phone|mobile|whatsapp|address|公司|电话|手机|生日|护照|empresa"
    r"|телефон|компани|هاتف|جوال|entreprise|téléphone|perusahaan|telepon|firma|telefon|date|fecha|data de|дата|日期|时间|تاريخ|tanggal|datum"
)
"""What a list has about people that is no business of ours."""
CONTAINED: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("liaison", re.compile(r"\bmanager\b|\bliaison\b|\bcontact person|负责人|对接|联络人|ответственн|responsável|responsable")),
    ("email", re.compile(r"\be mail|\bmail\b|correo|邮箱|邮件|почт|بريد|surel|courriel")),
    ("handle", re.compile(
        r"\blinks?\b|\burls?\b|\bchannels?\b|\bkan(?:al|ał)|\bcanal|\benlace|\bliens?\b|chaîne|ссылк|канал|посилан|رابط|قناة|حساب|\btautan|saluran"
        r"|\bakun|\baccounts?\b|аккаунт|账号|帐号|帳號|频道|頻道|直播间|链接|連結|チャンネル|アカウント|ลิงก์|ช่อง|\bkênh|bağlantı|\bhandles?\b|user ?name"
    )),
    ("platform", re.compile(r"platform|平台|platafor|платформ|منص|plateforme|plattform|プラットフォーム|แพลตฟอร์ม|nền tảng|piattaforma|플랫폼")),
    ("name", re.compile(r"\bnames?\b|\bnombres?\b|\bnome\b|\bnom\b|\bимя\b|\bфио\b|الاسم|姓名|\bnama\b|\bad soyad|氏名|\bhọ tên|ชื่อ|nazwisko|nachname")),
    ("attendee", re.compile(
        r"\bregist|inscri|anmelde|teilnehmer|pendaftaran|peserta|报名|報名|注册|参会|\bkayıt|katılımcı|đăng ký|登録|rejestrac|zgłosz|ลงทะเบียน|التسجيل"
        r"|\bbadge|\battendee|\bparticipant|\bdelegate|\bguest|регистрац|участник|iscrizione"
    )),
    ("country", re.compile(r"\bcountry|\bpa[ií]s\b|\bpays\b|стран|الدولة|البلد|国家|國家|国籍|negara|\bülke|\bkraj|\bpaese|quốc gia|ประเทศ")),
)  # fmt: skip
"""Field → what such headers contain; the first that fits is it."""
LONGEST_QUESTION: Final = 90


@lru_cache(maxsize=4096)
def understood(word: str) -> tuple[str | None, str | None]:
    """(field, platform) of one header cell; both None when it says nothing to us."""
    if LINK.search(word) or EMAIL.search(word):
        return None, None  # a channel or a person, so no header
    bare = _spaced(re.sub(r"[\(（\[].*?[\)）\]]", " ", word))
    bare = re.sub(r"\s*#?\d{1,2}$", "", bare) or bare  # "Link 2"
    whole = _spaced(re.sub(r"[\(（\[\)）\]]", " ", word))
    if name := _FIELD_OF.get(fold(bare)):
        return name, None
    if platform := platform_named(bare):
        return "handle", platform
    if AMOUNT.search(whole):
        return None, None
    if CONSENT.search(whole) and CHAT.search(whole) and not OTHER_TICK.search(whole):  # "I agree that my public chat is read"
        return "consent", None
    if NAMED.search(whole) and SCREEN.search(whole) and not CHAT.search(whole):
        return ("show_name", None) if not re.search(r"\bnot\b|不|\bno\b|\bnão\b|\bне\b|لا ", whole) else (None, None)
    # "YouTube channel", "抖音号", "Your TikTok handle": one platform named.
    named = {name for name, others in NAMES.items() for other in (name, *others) if len(other) > 1 and _contains(bare, other)}
    if len(named) == 1:
        return "handle", named.pop()
    if len(bare) > LONGEST_QUESTION or FOREIGN.search(bare) or CONSENT.search(bare) or re.search(r"\d{3}", bare):
        return None, None
    return next(((name, None) for name, pattern in CONTAINED if pattern.search(bare)), (None, None))


def _spaced(text: str) -> str:
    """In small letters, with one space for whatever stands between words."""
    return re.sub(r"\s+", " ", re.sub(r"[*:：?？.,_/'’`-]+", " ", text)).strip().casefold()


def _contains(text: str, word: str) -> bool:
    """As a word of its own in scripts with spaces, anywhere in the others."""
    return bool(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)) if word.isascii() else word in text
