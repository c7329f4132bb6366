"""Writes what the installed program consists of: a CycloneDX SBOM, and the list of its licences.

cyclonedx-bom reads the environment. Here each package is marked as required, optional (an extra of ours asks for it) or
excluded (tests and tools), as CycloneDX means it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import metadata
from pathlib import Path
from typing import TypedDict

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from classface_assets.core.errors import UserError
from classface_assets.vision.models.pack_info import BUILTIN_PACK, DLIB_PACK, INSIGHTFACE_LICENCE

DISTRIBUTION = "classface_assets"
FOLDER = Path("build")
OPTIONAL_EXTRAS = ("docker", "k8s", "postgres", "ray", "s3")


class Component(TypedDict, total=False):
    """A package of the SBOM, as far as it is read here."""

    name: str
    version: str
    scope: str
    licenses: list[dict[str, dict[str, str] | str]]


def required_names(extras: Iterable[str] = ()) -> set[str]:
    """Names of the packages that the program needs on this platform, with those of its extras: all that follow too."""
    pending, seen = [(DISTRIBUTION, frozenset(extras))], set[tuple[str, frozenset[str]]]()
    while pending:
        name, extras_of_name = entry = pending.pop()
        if entry in seen:
            continue
        seen.add(entry)
        for line in installed_requirements(name):
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ["", *extras_of_name]):
                pending.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {canonicalize_name(name) for name, _ in seen}


def installed_requirements(name: str) -> list[str]:
    """What the installed package asks for; nothing where it is not installed, such as one for another platform."""
    try:
        return metadata(name).get_all("Requires-Dist") or []
    except ModuleNotFoundError:
        return []


def licence(component: Component) -> str:
    """What the package declares as its licence: expression, name or trove classifier, else the title of its text."""
    texts = []
    for entry in component.get("licenses", []):
        inner = entry.get("license", {})
        text = entry.get("expression") or (inner.get("id") or inner.get("name") if isinstance(inner, dict) else "")
        if isinstance(text, str) and "\n" not in text.strip():
            texts.append(text.strip().removeprefix("License :: OSI Approved :: ").removeprefix("License :: "))
    if not texts:
        title = (metadata(component["name"])["License"] or "").strip().partition("\n")[0]
        texts = [title] if title and title != "UNKNOWN" else []
    return "; ".join(dict.fromkeys(texts)) or "not declared"


def licence_table(components: list[Component]) -> str:
    """The packages that are not excluded and the weights of models, in Markdown."""
    rows = [
        f"| {c['name']} | {c['version']} | {c['scope']} | {licence(c)} |"
        for c in components
        if c["scope"] != "excluded"
    ]
    packs = [f"| {pack.name} | {pack.licence} |" for pack in (BUILTIN_PACK, DLIB_PACK)]
    return "\n".join(
        [
            *("# Packages", "", "| package | version | scope | licence |", "|---|---|---|---|", *rows, ""),
            *("# Weights of the packs that come with it", "", "| pack | licence |", "|---|---|", *packs, ""),
            f"Of InsightFace's packs, which are downloaded only when extras_of_name for: {INSIGHTFACE_LICENCE}\n",
        ]
    )


def main() -> None:
    """Write build/sbom.json and build/licences.md, and print how many packages there are."""
    FOLDER.mkdir(exist_ok=True)
    output = FOLDER / "sbom.json"
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", "pyproject.toml"]
    command += ["--no-validate", "--output-reproducible", "--output-file", str(output), sys.executable]
    if subprocess.run(command, check=False).returncode:
        raise UserError("The environment could not be read; cyclonedx-py says above why.")
    document = json.loads(output.read_text())
    required, optional = required_names(), required_names(OPTIONAL_EXTRAS)
    components: list[Component] = document["components"]
    for component in components:
        name = canonicalize_name(component["name"])
        component["scope"] = "required" if name in required else "optional" if name in optional else "excluded"
    output.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    table = FOLDER / "licences.md"
    table.write_text(licence_table(components))
    counts = {scope: sum(c["scope"] == scope for c in components) for scope in ("required", "optional", "excluded")}
    print(f"{output} and {table}: " + ", ".join(f"{count} {scope}" for scope, count in counts.items()) + ".")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
