"""Packs of the command line: a missing one is refused before anything is started or written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = """
import sys
from classface_assets.cli.__main__ import main
try:
    main()
finally:
    print([name for name in ("dagster", "onnxruntime", "insightface") if name in sys.modules])
"""


@pytest.mark.parametrize("command", [["run"], ["review"], ["evaluate"], ["prune"], ["split", "unknown_cluster_1"]])
@pytest.mark.parametrize("from_environment", [False, True])
def test_a_pack_without_weights_is_refused_before_dagster_is_imported(
    command: list[str], from_environment: bool, tmp_path: Path
) -> None:
    given = {"CLASSFACE_PACK": "adaface"} if from_environment else {}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLASSFACE_")} | given
    options = [*command, "--data", str(tmp_path / "data"), *([] if from_environment else ["--pack", "AdaFace"])]
    ended = subprocess.run(
        [sys.executable, "-c", COMMAND, *options], capture_output=True, text=True, check=False, env=environment
    )
    assert ended.returncode == 1 and ended.stdout == "[]\n"
    assert ended.stderr.startswith("classface: The weights of AdaFace come with no package: export them to ")
    assert str(tmp_path / "data" / "packs" / "models" / "adaface.onnx") in ended.stderr
    assert ended.stderr.count("\n") == 1 and not (tmp_path / "data").exists()
