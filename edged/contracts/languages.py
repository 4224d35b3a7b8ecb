"""The languages that Whisper writes, by the code that a client names them with."""

from collections.abc import Mapping

AUTO = "auto"
"""In the place of a code: the language that is heard."""

_NAMES = """
af afrikaans, am amharic, ar arabic, as assamese, az azerbaijani, ba bashkir, be belarusian, bg bulgarian,
bn bengali, bo tibetan, br breton, bs bosnian, ca catalan, cs czech, cy welsh, da danish, de german, el greek,
en english, es spanish, et estonian, eu basque, fa persian, fi finnish, fo faroese, fr french, gl galician,
gu gujarati, ha hausa, haw hawaiian, he hebrew, hi hindi, hr croatian, ht haitian creole, hu hungarian,
hy armenian, id indonesian, is icelandic, it italian, ja japanese, jw javanese, ka georgian, kk kazakh,
km khmer, kn kannada, ko korean, la latin, lb luxembourgish, ln lingala, lo lao, lt lithuanian, lv latvian,
mg malagasy, mi maori, mk macedonian, ml malayalam, mn mongolian, mr marathi, ms malay, mt maltese,
my myanmar, ne nepali, nl dutch, nn nynorsk, no norwegian, oc occitan, pa punjabi, pl polish, ps pashto,
pt portuguese, ro romanian, ru russian, sa sanskrit, sd sindhi, si sinhala, sk slovak, sl slovenian,
sn shona, so somali, sq albanian, sr serbian, su sundanese, sv swedish, sw swahili, ta tamil, te telugu,
tg tajik, th thai, tk turkmen, tl tagalog, tr turkish, tt tatar, uk ukrainian, ur urdu, uz uzbek,
vi vietnamese, yi yiddish, yo yoruba, zh chinese
"""

LANGUAGES: Mapping[str, str] = {
    code: name for code, _, name in (entry.strip().partition(" ") for entry in _NAMES.split(","))
}
"""Name in English by code: ISO 639-1 but for `haw` and `jw`, which Whisper calls so."""
UNSPACED = ("zh", "ja", "th", "lo", "my", "km", "bo")
"""Codes of those whose sentences are written without a space between them."""


def code_of(named: str) -> str:
    """The code of a language as a client names it: `en`, `en-GB`, `English`; what names none stays.

    Nothing at all is `auto`.
    """
    plain = named.strip().lower().replace("_", "-")
    if not plain:
        return AUTO
    by_name = {name: code for code, name in LANGUAGES.items()}
    first = plain.partition("-")[0]
    return by_name.get(plain, first if first in LANGUAGES else plain)
