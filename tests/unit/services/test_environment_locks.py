"""What is asked for, what is locked, and what lies in the environments agree."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from services.environments import Environment, environments
from services.environments.relock import PLATFORMS, PYTHONS
from services.environments.spec import ROOT, load, read_lock

FOLDER = ROOT / "config" / "envs"
LOCKS = sorted(path.stem for path in FOLDER.glob("*.txt"))
SYSTEMS = {
    "x86_64-manylinux_2_28": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    "aarch64-manylinux_2_28": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    "aarch64-apple-darwin": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
}


def markers(platform: str, python: str) -> dict[str, str]:
    return {**SYSTEMS[platform], "python_version": python, "python_full_version": f"{python}.9", "extra": ""}


def asked(name: str) -> list[Requirement]:
    lines = (FOLDER / f"{name}.in").read_text(encoding="utf-8").splitlines()
    stripped = (line.partition("#")[0].strip() for line in lines)
    return [Requirement(line) for line in stripped if line]


def locked(name: str, where: dict[str, str]) -> dict[str, str]:
    """Versions by canonical name on one platform; fails when a package is pinned twice there."""
    versions: dict[str, str] = {}
    for pin in read_lock(FOLDER / f"{name}.txt"):
        requirement = Requirement(pin.requirement)
        if requirement.marker is None or requirement.marker.evaluate(where):
            assert pin.name not in versions
            versions[pin.name] = next(iter(requirement.specifier)).version
    return versions


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_locked_to_a_version_that_satisfies_it(name: str, platform: str, python: str) -> None:
    where = markers(platform, python)
    versions = locked(name, where)
    for requirement in asked(name):
        if requirement.marker is None or requirement.marker.evaluate(where):
            version = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version, prereleases=True), requirement


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_no_file_names_an_address_or_an_option_of_pip(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-|\s@\s", text, re.MULTILINE)


@pytest.mark.parametrize("environment", environments(), ids=lambda environment: environment.name)
def test_layers_agree_with_the_environment_they_are_put_into(environment: Environment) -> None:
    where = markers(PLATFORMS[0], PYTHONS[0])
    versions = locked(environment.name, where)
    for layer in environment.layers:
        for name, version in locked(layer, where).items():
            assert versions.setdefault(name, version) == version, f"{name} in {layer}.txt"


@pytest.mark.parametrize("environment", environments(), ids=lambda environment: environment.name)
def test_groups_name_locked_packages(environment: Environment) -> None:
    names = {pin.name for pin in read_lock(environment.lock())}
    assert {name for group in environment.groups for name in group.packages} <= names


@pytest.mark.parametrize("environment", environments(), ids=lambda environment: environment.name)
def test_what_installed_packages_require_is_locked_or_left_out_on_purpose(environment: Environment) -> None:
    pins = {pin.name for pin in read_lock(environment.lock())}
    found: dict[str, Distribution] = {
        canonicalize_name(entry.name): entry for entry in distributions(path=[str(environment.site_packages)])
    }
    if not pins & set(found):
        pytest.skip(f"{environment.name} is not installed")
    missing = {
        (package, requirement.name)
        for package in pins & set(found)
        for requirement in needs(found[package])
        if not satisfied(requirement, found) and canonicalize_name(requirement.name) not in environment.without
    }
    assert not missing
    assert pins.isdisjoint(environment.without)


def needs(package: Distribution) -> list[Requirement]:
    requirements = [Requirement(line) for line in package.requires or ()]
    return [entry for entry in requirements if entry.marker is None or entry.marker.evaluate({"extra": ""})]


def satisfied(requirement: Requirement, found: dict[str, Distribution]) -> bool:
    package = found.get(canonicalize_name(requirement.name))
    return package is not None and requirement.specifier.contains(package.version, prereleases=True)


def test_the_parts_of_a_cuda_torch_are_in_no_lock() -> None:
    names = {pin.name for name in LOCKS for pin in read_lock(FOLDER / f"{name}.txt")}
    own = [pattern.removesuffix("*") for pattern in load().torch_own]
    assert not [name for name in names if name.startswith(tuple(own))]
