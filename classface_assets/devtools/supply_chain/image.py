"""Prints what an image leaves out: the packages of an environment that the program with the named extras does not need.

The Dockerfile installs constraints.txt as the Makefile does, tools of developers among it, and then uninstalls these.
"""

import sys
from collections.abc import Iterable
from importlib.metadata import distributions

from packaging.utils import canonicalize_name

from classface_assets.devtools.supply_chain.sbom import required_names


def unneeded_names(extras: Iterable[str]) -> list[str]:
    """Names of the installed packages that neither the program nor one of its extras asks for, sorted.

    Args:
        extras: Of the program, such as `s3`.
    """
    installed = {canonicalize_name(found.metadata["Name"]) for found in distributions()}
    return sorted(installed - required_names(extras))


def main() -> None:
    """Print the names, one a line."""
    print("\n".join(unneeded_names(sys.argv[1:])))


if __name__ == "__main__":
    main()
