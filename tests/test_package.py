"""What is installed: the wheel has everything that the program needs, and nothing else of ours."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as an installer would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_the_policies_and_the_typing_mark_and_no_tests(installed: Path) -> None:
    names = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}

    assert {
        "route_agent/policies/default.yaml",
        "route_agent/report/page/templates/page.css",
        "route_agent/report/page/templates/ledger.html.j2",
        "route_agent/policies/ci-strict.yaml",
        "route_agent/py.typed",
    } <= names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"route_agent"}


def test_the_installed_program_finds_its_own_policies(installed: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(installed)!r})\n"
        "import route_agent.policy as policy\n"
        "print(policy.__file__); print(*policy.presets().values())\n"
        "policy.parse_policy(policy.presets()['default'].read_bytes(), 'default')\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert all(str(installed) in word for word in done.stdout.split())


def test_the_entry_point_is_the_one_handler(installed: Path) -> None:
    (points,) = installed.glob("*.dist-info/entry_points.txt")

    assert points.read_text().split() == [
        "[console_scripts]",
        "route-agent",
        "=",
        "route_agent.__main__:main",
    ]
