"""What the documents promise is so: links lead somewhere, commands exist, nothing is left out."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator

import pytest
from prometheus_client.metrics import MetricWrapperBase

from agent import job_metrics, metrics
from agent.actions import ACTIONS
from agent.settings import Settings
from local.livekit import find_or_build
from tests.test_architecture import PRODUCT, ROOT, project_files, sources

PAGES = [path for path in project_files() if path.endswith(".md")]
HAND_WRITTEN = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/operations.md",
    "docs/glossary.md",
    "livekit.yaml",
    "Dockerfile",
)


def read(path: str) -> str:
    """The text of a file of the project."""
    return (ROOT / path).read_text(encoding="utf-8")


def headings(text: str) -> set[str]:
    """The anchors of a page, as its readers' programs make them."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    """To a file, and to a heading where one is named."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        if not file.exists() or (anchor and anchor not in headings(file.read_text(encoding="utf-8"))):
            broken.append(target)
    assert broken == []


def make_targets() -> set[str]:
    """What the Makefile can make."""
    return set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_make_commands_in_pages_exist(page: str) -> None:
    """`make demo` in a page is a target of the Makefile."""
    text = read(page)
    named = set(re.findall(r"(?:^    |`)make ([a-z]+)", text, re.MULTILINE))
    assert named <= make_targets()


@pytest.mark.parametrize("page", PAGES)
def test_programs_in_pages_exist(page: str) -> None:
    """`python worker.py` and `python -m local.livekit` in a page are files of the project."""
    text = read(page)
    missing = [name for name in re.findall(r"python ([\w/]+\.py)", text) if not (ROOT / name).is_file()]
    for name in re.findall(r"python -m ([\w.]+)", text):
        folder = ROOT / name.replace(".", "/")
        if (ROOT / name.split(".")[0]).is_dir() and not (
            folder.with_suffix(".py").is_file() or (folder / "__main__.py").is_file()
        ):
            missing.append(name)
    assert missing == []


def test_every_target_is_explained() -> None:
    """`make` alone lists them all."""
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for target in make_targets():
        assert f"make {target} " in listed.stdout, f"{target} has no ## in the Makefile"


@pytest.mark.parametrize("page", HAND_WRITTEN)
def test_settings_in_pages_exist(page: str) -> None:
    """A page that names a setting names one that is read."""
    prefixes = (
        "LIVEKIT|ELEVENLABS|STT|VAD|WINDOW|LEDGER|RECOGNIZER|EXCLUDE|DATABASE|AGENT|DRAIN|WORKER|LOG|CORS"
    )
    named = set(re.findall(rf"\b(?:{prefixes})_[A-Z_]+\b", read(page)))
    assert named <= {*map(str.upper, Settings.model_fields), "LIVEKIT_AGENT_NAME"}


def log_fields(tree: ast.Module) -> Iterator[ast.Dict]:
    """Every `extra={…}` of a call, and every dict that is called extra."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict):
            yield node.value
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            yield from (node.value for target in node.targets if ast.unparse(target) == "extra")


def actions_in_code() -> set[str]:
    """Every word that the product gives as `action` in a log call."""
    found = set()
    for source in sources(*PRODUCT):
        for fields in log_fields(source.tree):
            for key, value in zip(fields.keys, fields.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "action":
                    assert isinstance(value, ast.Constant), (
                        f"{source.path}:{value.lineno} makes up its action"
                    )
                    found.add(str(value.value))
    return found


def test_action_words_are_listed_used_and_explained() -> None:
    """agent/actions.py, the code and docs/operations.md have the same words."""
    explained = set(re.findall(r"^\| `(\w+)` \|", read("docs/operations.md"), re.MULTILINE))
    assert actions_in_code() == ACTIONS
    assert explained == ACTIONS


def test_every_figure_is_explained() -> None:
    """agent/metrics.py, the figures of a worker's own tasks, and docs/operations.md have the same names."""
    page = read("docs/operations.md")
    table = page[page.index("## Figures") : page.index("## Logs")]
    explained = set(re.findall(r"`(transcriber_\w+?)(?:_total)?`", table))
    figures = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    assert {one._name for one in figures} | job_metrics.HELP.keys() == explained


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    """Keep a Changelog's form: Unreleased first."""
    versions = re.findall(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == "Unreleased"


def test_the_license_is_the_one_that_is_named() -> None:
    """Apache-2.0, whole."""
    text = read("LICENSE")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert 'license = "Apache-2.0"' in read("pyproject.toml")


def test_ci_runs_the_readme_s_test_command() -> None:
    """Nothing cleverer than what a reader would type."""
    commands = [
        line for line in read(".ci/run").splitlines() if line and not line.startswith(("#", "set", "cd"))
    ]
    assert commands == ["make test"]
    assert "    make test " in read("README.md")


def test_the_image_holds_what_its_commands_need() -> None:
    """Docker cannot run in the tests; that its files exist can be seen."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", read("Dockerfile"), re.MULTILINE)
    names = [name for names in copied for name in names.split()]
    assert names
    for name in names:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in read(".dockerignore").splitlines(), f"{name} is not let in by .dockerignore"


@pytest.mark.live
async def test_the_example_configuration_is_accepted_by_the_server() -> None:
    """LiveKit refuses unknown keys; `ports` reads the file and starts nothing."""
    binary = await find_or_build()
    # the one line that would ask a STUN server on the internet
    text = read("livekit.yaml").replace("use_external_ip: true", "node_ip: 127.0.0.1")
    assert "use_external_ip" not in text
    shown = subprocess.run(  # noqa: ASYNC221 - a tenth of a second
        [str(binary), "ports"], env={"LIVEKIT_CONFIG": text}, capture_output=True, text=True, check=True
    )
    assert "7880" in shown.stdout
    assert "50000-60000" in shown.stdout
