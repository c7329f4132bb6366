"""What the documentation names exists: pages and headings, commands, options, config keys, variables, assets, tests."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from dagster import Field, RepositoryDefinition
from markdown_it import MarkdownIt
from markdown_it.token import Token

from classface_assets.cli.__main__ import cli
from classface_assets.definitions import defs
from classface_assets.identity.settings import AssignmentSettings, settings_for
from classface_assets.review.pages.help import anchor_of

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "classface_assets" / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FILES = [*PAGES, ROOT / "README.md", ROOT / ".github" / "CONTRIBUTING.md"]
CONFIGURATION = DOCS / "engineers" / "configuration.md"
PLACEHOLDER = re.compile(r"[A-Z]+\b|…|\[")
FOREIGN_OPTIONS = {"--select", "--partition", "--config-json", "--no-deps", "--no-cache-dir", "--help"}
"""Of dagster and pip."""
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def tokens_of(file: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(file.read_text(encoding="utf-8"))


def inline_tokens(file: Path) -> Iterator[Token]:
    for token in tokens_of(file):
        yield from token.children or ()


def code_spans(file: Path) -> list[str]:
    return [token.content for token in inline_tokens(file) if token.type == "code_inline"]


def code_lines(file: Path) -> list[str]:
    """Code spans, and the lines of code blocks without their comments."""
    blocks = [token.content for token in tokens_of(file) if token.type in ("fence", "code_block")]
    return [*code_spans(file), *(line.partition(" # ")[0] for block in blocks for line in block.splitlines())]


def anchors_of(file: Path) -> set[str]:
    tokens = tokens_of(file)
    headings = [tokens[n + 1] for n, token in enumerate(tokens) if token.type == "heading_open"]
    return {anchor_of("".join(child.content for child in heading.children or ())) for heading in headings}


def tables_of(file: Path) -> Iterator[tuple[str, list[list[str]]]]:
    """Each table with the heading it lies below; cells as plain text, the titles first."""
    heading, rows, tokens = "", [], tokens_of(file)
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = tokens[number + 1].content
        elif token.type == "table_open":
            rows = []
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and tokens[number - 1].type in ("th_open", "td_open"):
            rows[-1].append("".join(child.content for child in token.children or ()))
        elif token.type == "table_close":
            yield heading, rows


@cache
def repository() -> RepositoryDefinition:
    return defs().get_repository_def()


def config_of(asset: str) -> dict[str, Field]:
    """The run-config keys of an asset."""
    assets = {key.to_user_string(): found for key, found in repository().assets_defs_by_key.items()}
    fields: dict[str, Field] = getattr(assets[asset].op.config_schema.as_field().config_type, "fields", {})
    return fields


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_links_and_pictures_of_the_documentation_lead_somewhere(file: Path) -> None:
    targets = [token.attrGet("href") or token.attrGet("src") for token in inline_tokens(file)]
    for target in map(str, filter(None, targets)):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        linked = (file.parent / path).resolve() if path else file
        assert linked.is_file(), target
        assert not anchor or anchor in anchors_of(linked), target
        assert DOCS not in file.parents or DOCS in linked.parents, f"{target} is not in the package"


def test_the_index_links_every_page_of_the_documentation() -> None:
    linked = {str(token.attrGet("href")) for token in inline_tokens(DOCS / "index.md") if token.type == "link_open"}
    assert linked == {page.relative_to(DOCS).as_posix() for page in PAGES} - {"index.md"}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_commands_of_the_documentation_exist_with_their_options(file: Path) -> None:
    for line in code_lines(file):
        for words in re.findall(r"(?:^|[\s/])classface ([^&|]*)", line):
            command: click.Command = cli
            rest = words.split()
            while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
                if PLACEHOLDER.match(rest[0]) and rest[0] not in command.commands:
                    break
                assert rest[0] in command.commands, f"{line}: there is no command {rest[0]}"
                command = command.commands[rest.pop(0)]
            assert unknown_options(rest, [command]) == [], line


def test_every_command_and_every_target_is_documented() -> None:
    lines = [line for file in FILES for line in code_lines(file)]
    for path in command_paths(cli, "classface"):
        assert any(re.search(rf"{path}(?![-\w])", line) for line in lines), path
    for target in make_targets():
        assert any(re.search(rf"make {target}(?![-\w])", line) for line in lines), target


def command_paths(command: click.Command, path: str) -> Iterator[str]:
    """`classface ledger export`, and all other commands."""
    if not isinstance(command, click.Group):
        yield path
        return
    for name, child in command.commands.items():
        yield from command_paths(child, f"{path} {name}")


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_options_that_the_documentation_names_alone_exist(file: Path) -> None:
    for span in code_spans(file):
        if span.startswith("--"):
            assert unknown_options(span.split(), list(all_commands(cli))) == [], span


def unknown_options(words: list[str], commands: list[click.Command]) -> list[str]:
    known = {option for command in commands for one in command.params for option in (*one.opts, *one.secondary_opts)}
    given = [re.split(r"[=.,;)]", word.strip("[]"))[0] for word in words if re.match(r"\[?--[a-z]", word)]
    return [option for option in given if option not in known | FOREIGN_OPTIONS]


def all_commands(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from all_commands(child)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_make_targets_and_their_variables_of_the_documentation_exist(file: Path) -> None:
    makefile, targets = (ROOT / "Makefile").read_text(), make_targets()
    for line in code_lines(file):
        for words in re.findall(r"(?:^|&& )make ([^&|]*)", line):
            target, *variables = words.split()
            assert target in targets or PLACEHOLDER.match(target), line
            for variable in re.findall(r"([A-Z]+)=", " ".join(variables)):
                assert f"$({variable})" in makefile, line


def test_environment_variables_of_the_documentation_are_those_of_the_program() -> None:
    pattern = r"CLASSFACE_[A-Z_]*[A-Z]"
    sources = [file.read_text() for file in (ROOT / "classface_assets").rglob("*.py")]
    read = {name for text in sources for name in re.findall(pattern, text)}
    named = {name for file in FILES for name in re.findall(pattern, file.read_text())}
    assert named == read
    rows = next(rows for heading, rows in tables_of(CONFIGURATION) if heading == "Environment variables")
    assert {row[0] for row in rows[1:]} == read


def test_run_config_of_the_documentation_is_that_of_the_assets() -> None:
    documented: dict[str, dict[str, list[str]]] = {}
    for heading, rows in tables_of(CONFIGURATION):
        if rows[0][0] == "key":
            for asset in heading.split(", "):
                documented.setdefault(asset, {}).update({row[0]: row for row in rows[1:]})
    shared = documented["cluster_assignments"]
    head = {"use_head": documented["identities"].pop("use_head")}
    del shared["use_head"]
    assert documented.pop("identities") == shared
    expected = documented | {"identities": shared | head, "evaluation": shared | documented["evaluation"]}
    for asset in repository().assets_defs_by_key:
        name = asset.to_user_string()
        assert expected.pop(name, {}).keys() == config_of(name).keys(), name
    assert not expected


def test_defaults_of_the_documentation_are_those_of_the_program() -> None:
    settings = [settings_for(pack) for pack in ("builtin", "dlib", "a pack of ArcFace's kind")]
    for heading, rows in tables_of(CONFIGURATION):
        for key, default, *more in rows[1:] if rows[0][0] == "key" else []:
            names = AssignmentSettings.__dataclass_fields__.keys() if len(more) == 3 else ()
            if key in names:
                assert [default, *more[:2]] == [text_of(getattr(one, key)) for one in settings], key
            elif (field := config_of(heading.split(", ")[-1])[key]).default_provided:
                assert field.default_value is None or default == text_of(field.default_value), key


def text_of(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_assets_sensors_and_schedules_of_the_documentation_are_those_of_dagster() -> None:
    rows = {heading: [row[0] for row in rows[1:]] for heading, rows in tables_of(DOCS / "engineers" / "dagster.md")}
    assets = {key.to_user_string() for key in repository().assets_defs_by_key}
    assert set(rows["Assets"]) == assets
    running = [*repository().sensor_defs, *repository().schedule_defs]
    assert set(rows["Sensors and schedules"]) == {one.name for one in running}
    for file in FILES:
        for line in code_lines(file):
            for selected in re.findall(r"--select ([a-z_,]+)", line):
                assert set(selected.split(",")) <= assets, line


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_tests_files_and_addresses_that_the_documentation_names_exist(file: Path) -> None:
    modules = list((ROOT / "classface_assets_tests").rglob("*.py"))
    tests = {module.stem for module in modules}
    tests |= {name for module in modules for name in re.findall(r"def (test_\w+)", module.read_text())}
    for span in code_spans(file):
        if span.startswith("test_"):
            assert span in tests, span
        if re.fullmatch(r"(\.ci|classface_assets)(/[\w.]+)+", span):
            assert (ROOT / span).exists(), span
        if span.startswith("python -m "):
            assert find_spec(span.split()[2]), span
        method, _, path = span.rpartition(" ")
        if path.startswith("/api/") and method in METHODS:
            assert (method.lower(), path) in operations(), span


@cache
def operations() -> set[tuple[str, str]]:
    """Method and path of every call of the REST API."""
    from fastapi import FastAPI

    from classface_assets.review.app import API_MODULES

    app = FastAPI()
    for module in API_MODULES:
        app.include_router(module.router)
    return {(method, path) for path, calls in app.openapi()["paths"].items() for method in calls}


def test_pages_tabs_and_buttons_that_the_naming_page_mentions_are_in_the_templates() -> None:
    tokens = list(inline_tokens(DOCS / "archivists" / "naming.md"))
    labels = {tokens[n + 1].content for n, token in enumerate(tokens) if token.type in ("em_open", "strong_open")}
    templates = (ROOT / "classface_assets" / "review" / "templates").rglob("*.j2")
    shown = "\n".join(template.read_text() for template in templates)
    assert len(labels) > 8
    assert {label for label in labels if label not in shown} == set()


def test_the_documentation_is_short_where_it_begins_and_has_few_pages_a_folder() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
    for folder in (DOCS, *(path for path in DOCS.iterdir() if path.is_dir())):
        assert len(list(folder.iterdir())) <= 12, folder


def test_ci_and_the_commit_hook_run_what_a_clean_clone_must_pass() -> None:
    import yaml

    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run", "make audit"]
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [(hook["entry"], hook["language"]) for hook in repo["hooks"]] == [("make lint", "system")]
    assert subprocess.run(["test", "-x", ROOT / ".ci" / "run"], check=False).returncode == 0
