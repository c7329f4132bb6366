"""What Dagster loads, as one picture: a change of keys, dependencies, groups, partitions or checks is seen in review.

Where a change is meant: `python -m classface_assets_tests.defs.test_snapshot` writes the picture again.
"""

from pathlib import Path

import dagster as dg

from classface_assets.definitions import defs

PICTURE = Path(__file__).with_name("snapshot.txt")


def snapshot() -> str:
    """Every asset with its group, partitions, inputs and kinds, and below it its checks with whether they block."""
    graph = defs().resolve_asset_graph()
    lines: list[str] = []
    for key in sorted(graph.get_all_asset_keys()):
        spec = graph.get(key).to_asset_spec()
        partitions = (
            f" per {spec.partitions_def.name}"
            if isinstance(spec.partitions_def, dg.DynamicPartitionsDefinition)
            else ""
        )
        inputs = ", ".join(sorted(dep.asset_key.to_user_string() for dep in spec.deps))
        lines.append(f"{key.to_user_string()} [{spec.group_name}]{partitions} <- {inputs or 'nothing'}")
        lines.append(f"    kinds: {', '.join(sorted(spec.kinds))}")
        checks = sorted(graph.get_check_keys_for_assets({key}), key=lambda check: check.name)
        blocking = {check: graph.get_check_spec(check).blocking for check in checks}
        lines += [f"    check: {check.name}{' (blocks)' if blocks else ''}" for check, blocks in blocking.items()]
    return "\n".join(lines) + "\n"


def test_dagster_loads_what_it_loaded_before() -> None:
    assert snapshot() == PICTURE.read_text()


def test_the_definitions_can_be_loaded() -> None:
    dg.Definitions.validate_loadable(defs())


if __name__ == "__main__":
    PICTURE.write_text(snapshot())
