"""What all pages have in common: the frame, the languages, the appearance, and how errors are told to people."""

from __future__ import annotations

import re
from typing import Any

import pytest

from routes.pages.frame import LANGUAGES

PAGES = ("/", "/transcribe", "/history", "/system", "/settings", "/docs")
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("address", PAGES)
def test_no_page_has_a_script_or_style_of_its_own_or_loads_anything_from_elsewhere(
    client: Any, address: str
) -> None:
    page = client.get(address, headers=BROWSER).text
    scripts = re.findall(r"<script[^>]*>", page)
    assert scripts and all(' src="/static/' in one or 'type="application/json"' in one for one in scripts)
    assert "<style" not in page and " style=" not in page and not re.search(r"\son\w+=", page)
    assert not re.findall(r"""(?:src|href|action|hx-get|hx-post)=["'](?:\w+:|//)""", page)


@pytest.mark.parametrize("address", PAGES)
def test_every_page_has_one_heading_and_tells_where_it_is(client: Any, address: str) -> None:
    page = client.get(address, headers=BROWSER).text
    assert len(re.findall(r"<h1[ >]", page)) == 1
    assert len(re.findall(r'aria-current="page"', page)) == 1
    assert re.search(r"<title>[^<]+</title>", page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_is_in_the_language_that_the_browser_asks_for(client: Any, language: str) -> None:
    page = client.get("/", headers={**BROWSER, "Accept-Language": f"{language}-XX,de;q=0.5"}).text
    assert f'<html lang="{language}"' in page


def test_what_was_chosen_counts_more_than_what_the_browser_asks_for_and_is_remembered(client: Any) -> None:
    headers = {"Referer": "http://localhost/system?x=1"}
    answer = client.post("/preferences", data={"language": "fr", "theme": "dark"}, headers=headers)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/system?x=1")
    page = client.get("/", headers={**BROWSER, "Accept-Language": "en"}).text
    assert '<html lang="fr" data-theme="dark">' in page
    client.post("/preferences", data={"language": "xx", "theme": ""}, headers=headers)
    assert re.search(r'<html lang="fr"\s*>', client.get("/", headers=BROWSER).text)


@pytest.mark.parametrize("referrer", ["http://elsewhere/", "http://localhost//elsewhere/", "nonsense"])
def test_a_choice_never_leads_elsewhere(client: Any, referrer: str) -> None:
    answer = client.post("/preferences", data={"theme": "dark"}, headers={"Referer": referrer})
    assert re.fullmatch(r"/[^/\\]*.*", answer.headers["Location"]) and "//" not in answer.headers["Location"]


def test_people_get_errors_as_pages_and_programs_as_json(client: Any) -> None:
    page = client.get("/nowhere", headers=BROWSER)
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "<h1>There is nothing at this address.</h1>" in page.text
    for headers in ({}, {"Accept": "application/json"}, {"Accept": "*/*"}):
        assert client.get("/nowhere", headers=headers).json["error"]["code"] == "not_found"
    assert client.get("/api/nowhere", headers=BROWSER).json["error"]["code"] == "not_found"


def test_an_error_of_a_part_goes_to_the_notices(client: Any) -> None:
    answer = client.get("/nowhere", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (404, "#notices")
    assert answer.text.lstrip().startswith('<div class="notice" data-kind="bad"')


def test_without_the_token_a_browser_is_asked_for_it_and_goes_on_where_it_was(make_app: Any) -> None:
    token = "a token that is long enough"
    client = make_app(token=token).test_client()
    page = client.get("/system?x=1", headers=BROWSER)
    assert page.status_code == 401 and 'name="token"' in page.text and "system?x=1" in page.text
    wrong = client.post("/enter", data={"token": "wrong", "back": "/system?x=1"}, headers=BROWSER)
    assert wrong.status_code == 401
    right = client.post("/enter", data={"token": token, "back": "//elsewhere"}, headers=BROWSER)
    assert (right.status_code, right.headers["Location"]) == (303, "/elsewhere")
    assert client.get("/docs", headers=BROWSER).status_code == 200


def test_a_form_of_another_site_is_refused(client: Any) -> None:
    answer = client.post("/preferences", data={"theme": "dark"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_static_files_are_kept_by_browsers_until_they_change(client: Any) -> None:
    page = client.get("/", headers=BROWSER).text
    (address,) = re.findall(r'href="(/static/css/base.css\?v=\w+)"', page)
    for asked, kept in ((address, True), ("/static/css/base.css", False)):
        with client.get(asked) as answer:
            assert ("immutable" in answer.headers["Cache-Control"]) == kept
