"""What is published: it is built, looked into, installed into an empty environment, and used there as the docs say."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from tests.test_docs import DOCS, INTEGRATION, README, ROOT, Project, blocks, file

pytestmark = pytest.mark.processes

PACKAGE = "django_bpo_chat"


@pytest.fixture(scope="module")
def sources() -> set[str]:
    """What git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name for name in listed.splitlines() if (ROOT / name).exists()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist, and with the wheel that was built from it."""
    target = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--quiet", "--outdir", str(target), str(ROOT)], check=True)
    return target


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    [path] = built.glob("*.whl")
    return path


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def test_the_sdist_has_all_of_the_repository_and_nothing_else(built: Path, sources: set[str]) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == sources | {"PKG-INFO"}


def test_the_wheel_has_the_package_its_types_and_its_licence(wheel: Path, sources: set[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {name.removeprefix("src/") for name in sources if name.startswith("src/")}
    assert f"{PACKAGE}/py.typed" in modules
    assert {name for name in names if ".dist-info/" not in name} == modules
    assert {name.partition(".dist-info/")[2] for name in names - modules} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_without_extras_it_needs_five_packages(wheel: Path) -> None:
    needed = [each for each in metadata(wheel).get_all("Requires-Dist", []) if "extra ==" not in each]
    names = {each.partition(">=")[0] for each in needed}
    assert names == {"channels", "django", "djangorestframework", "djangorestframework-simplejwt", "emoji", "puremagic"}
    assert not any("<" in each or "==" in each for each in needed)


class InstalledProject(Project):
    """A project in an environment that has the wheel, what that needs, and nothing else."""

    def __init__(self, wheel: Path) -> None:
        super().__init__()
        self.bin = self.directory / "venv" / "bin"
        venv.create(self.bin.parent, with_pip=True)
        subprocess.run([self.bin / "python", "-m", "pip", "install", "--quiet", wheel], check=True)


@pytest.fixture
def project(wheel: Path) -> Iterator[Project]:
    made = InstalledProject(wheel)
    try:
        yield made
    finally:
        made.close()


def test_a_site_with_nothing_else_installed_mounts_migrates_and_chats(project: Project) -> None:
    project.run("django-admin startproject mysite")
    project.run("cd mysite")
    for block in blocks(README, "python", below=INTEGRATION):
        project.write(block.text)
    project.follow([block for block in blocks(DOCS / "testing.md", "python") if '["TEST"]' in block.text])
    for name in ("test_settings.py", "tests.py"):
        project.write(file(DOCS / "testing.md", f"mysite/{name}"))
    assert "no issues" in project.run("python manage.py check --fail-level WARNING")
    assert "django_bpo_chat" not in project.run("python manage.py makemigrations --check --dry-run")
    project.run("python manage.py migrate --verbosity 0")
    assert "Ran 3 tests" in project.run("python manage.py test --settings mysite.test_settings 2>&1")
