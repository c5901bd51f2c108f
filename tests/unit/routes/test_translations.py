"""Every text of the dashboard in every language, with the values and plurals it needs."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

from routes.pages.frame import LANGUAGES
from workflow_scripts.common.paths import ROOT

CATALOGUES = ROOT / "translations"
#: Languages other than that of the code.
TRANSLATED = tuple(LANGUAGES)[1:]
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
MAPPINGS = [("routes/**.py", "python"), ("templates/**.html", "jinja2")]
_VALUES = re.compile(r"%\(\w+\)\w")


def catalogue(language: str) -> Catalog:
    """The translations of a language as people edit them."""
    with (CATALOGUES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


def forms(text: object) -> list[str]:
    """A text, or its singular and plural."""
    return list(text) if isinstance(text, list | tuple) else [str(text)]


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_catalogue_holds_every_text_of_the_code_and_no_other(language: str) -> None:
    found = extract_from_dir(ROOT, MAPPINGS, keywords=KEYWORDS, directory_filter=_is_ours)
    wanted = {message[0] if isinstance(message, tuple) else message for _, _, message, _, _ in found}
    held = {message.id[0] if isinstance(message.id, tuple) else message.id for message in catalogue(language)}
    assert held - {""} == wanted, "run scripts/translate"


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_with_the_values_it_names(language: str) -> None:
    for message in catalogue(language):
        originals, translations = forms(message.id), forms(message.string)
        assert all(translations), f"{originals[0]!r} is not translated: run scripts/translate and fill it in"
        assert not message.fuzzy
        values = {value for text in originals for value in _VALUES.findall(text)}
        for text in translations if message.id else ():
            assert set(_VALUES.findall(text)) <= values, originals[0]
        assert {value for text in translations for value in _VALUES.findall(text)} == values or not message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_served_is_what_people_edit(language: str) -> None:
    compiled = BytesIO()
    write_mo(compiled, catalogue(language))
    served = (CATALOGUES / language / "LC_MESSAGES" / "messages.mo").read_bytes()
    ours, theirs = (
        {tuple(forms(message.id)): forms(message.string) for message in read_mo(BytesIO(data)) if message.id}
        for data in (compiled.getvalue(), served)
    )
    assert ours == theirs


def _is_ours(folder: str | Path) -> bool:
    relative = Path(folder).resolve().relative_to(ROOT)
    return not relative.parts or relative.parts[0] in ("routes", "templates")
