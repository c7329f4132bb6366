"""The values of Dagster's chart, the Ray cluster and the review page: as Kubernetes has them, without root or secrets.

Where the environment variable DEPLOY_SCHEMAS names a folder, the files are compared with the schemas of others there:
`dagster/values.schema.json` and `dagster/values.yaml` of Dagster's chart (dagster-io/dagster, helm/dagster),
`rayclusters.yaml` of KubeRay (ray-project/kuberay, helm-chart/kuberay-operator/crds/ray.io_rayclusters.yaml) and
`compose-spec.json` (compose-spec/compose-spec, schema/compose-spec.json).
"""

import copy
import json
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from dagster_k8s.job import UserDefinedDagsterK8sConfig

from classface_assets.orchestration.records.database import default_settings
from classface_assets_tests.support.compose import DEPLOY, compose_file
from classface_assets_tests.support.kubernetes_objects import KINDS, problems

Document = dict[str, Any]
FOLDER = DEPLOY / "kubernetes"
VALUES: Document = yaml.safe_load((FOLDER / "dagster_values.yaml").read_text())
OBJECTS: list[Document] = [
    one for name in ("raycluster.yaml", "review.yaml") for one in yaml.safe_load_all((FOLDER / name).read_text())
]


def object_of(kind: str) -> Document:
    return next(one for one in OBJECTS if one["kind"] == kind)


def pod_templates() -> dict[str, Document]:
    """Of the Ray cluster and the review page."""
    cluster = object_of("RayCluster")["spec"]
    workers = {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    review = object_of("Deployment")["spec"]["template"]
    return {"head": cluster["headGroupSpec"]["template"], **workers, "review": review}


def chart_pods() -> dict[str, Document]:
    """What the values set of the pods of Dagster's chart."""
    (code,) = VALUES["dagster-user-deployments"]["deployments"]
    return {"webserver": VALUES["dagsterWebserver"], "daemon": VALUES["dagsterDaemon"], "code": code}


def every_mapping(value: object) -> Iterator[Document]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from every_mapping(item)


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_is_as_kubernetes_has_it(kind: str) -> None:
    assert list(problems(object_of(kind), KINDS[kind])) == []


@pytest.mark.parametrize("name", sorted(pod_templates()))
def test_a_pod_is_as_kubernetes_has_it(name: str) -> None:
    assert list(problems(pod_templates()[name], "V1PodTemplateSpec")) == []


def test_what_kubernetes_does_not_have_is_found() -> None:
    pod = copy.deepcopy(pod_templates()["head"])
    container = pod["spec"]["containers"][0]
    container["securityContex"] = container.pop("securityContext")
    container["env"][0]["value"] = 0
    del container["name"]
    found = list(problems(pod, "V1PodTemplateSpec"))
    assert len(found) == 3
    assert "V1Container has no securityContex" in found[1] and "0 is no str" in found[0] and "`name`" in found[2]


@pytest.mark.parametrize("name", sorted(chart_pods()))
def test_what_the_values_set_of_a_pod_is_as_kubernetes_has_it(name: str) -> None:
    kinds = {
        "podSecurityContext": "V1PodSecurityContext",
        "securityContext": "V1SecurityContext",
        "resources": "V1ResourceRequirements",
        "volumes": "list[V1Volume]",
        "volumeMounts": "list[V1VolumeMount]",
        "readinessProbe": "V1Probe",
        "env": "list[V1EnvVar]",
        "envSecrets": "list[V1SecretEnvSource]",
    }
    pod = chart_pods()[name]
    found = [sentence for key, kind in kinds.items() if key in pod for sentence in problems(pod[key], kind, key)]
    assert found == []


@pytest.mark.parametrize("name", [*sorted(chart_pods()), *sorted(pod_templates())])
def test_no_pod_runs_as_root_or_writes_outside_of_its_volumes(name: str) -> None:
    if name in chart_pods():
        pod = container = chart_pods()[name]
        pod_security = pod["podSecurityContext"]
    else:
        spec = pod_templates()[name]["spec"]
        (container,) = spec["containers"]
        pod_security = spec["securityContext"]
        assert spec["automountServiceAccountToken"] is False
    assert (pod_security["runAsNonRoot"], pod_security["runAsUser"]) == (True, 10001)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/tmp", "/var/lib/classface"}
    assert container["resources"]["limits"].keys() >= {"cpu", "memory"}


def test_secrets_come_from_secrets_of_kubernetes() -> None:
    for mapping in [*every_mapping(VALUES), *(one for document in OBJECTS for one in every_mapping(document))]:
        if "name" in mapping and "value" in mapping:
            assert not mapping["name"].endswith(("PASSWORD", "TOKEN", "KEY", "KEY_ID")), mapping
            address = str(mapping["value"]).partition("://")[2].partition("@")
            assert not (address[1] and ":" in address[0]), f"{mapping['name']} holds a password"
    assert VALUES["generatePostgresqlPasswordSecret"] is False
    assert "postgresqlPassword" not in VALUES["postgresql"]


def test_nothing_of_the_pods_is_reached_from_outside_and_nothing_is_reported() -> None:
    assert VALUES["dagsterWebserver"]["service"]["type"] == object_of("Service")["spec"]["type"] == "ClusterIP"
    assert VALUES["telemetry"] == {"enabled": False}
    assert "ingress" not in VALUES
    policy = object_of("NetworkPolicy")["spec"]
    assert policy["ingress"] == [{"from": [{"podSelector": {}}]}]
    cluster = object_of("RayCluster")
    assert cluster["spec"]["authOptions"] == {"mode": "token", "secretName": "classface-ray"}
    assert policy["podSelector"]["matchLabels"] == {"ray.io/cluster": cluster["metadata"]["name"]}
    head = cluster["spec"]["headGroupSpec"]["rayStartParams"]
    assert (head["disable-usage-stats"], head["include-dashboard"]) == ("true", "false")
    for name, template in pod_templates().items():
        if name != "review":
            assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in template["spec"]["containers"][0]["env"]


def test_versions_are_those_of_the_packages_that_are_pinned() -> None:
    assert object_of("RayCluster")["spec"]["rayVersion"] == version("ray")
    assert f"--version {version('dagster')}" in (FOLDER / "dagster_values.yaml").read_text()
    image = VALUES["dagsterWebserver"]["image"]
    tag = f"{image['repository']}:{image['tag']}"
    images = {pod["spec"]["containers"][0]["image"] for pod in pod_templates().values()}
    assert images == {tag, f"{tag}-gpu"}


def test_dagsters_settings_are_those_that_the_program_writes_for_one_machine() -> None:
    written = default_settings()
    concurrency, retention = VALUES["concurrency"], VALUES["retention"]
    pools = written["concurrency"]["pools"]
    assert concurrency["pools"] == {"defaultLimit": pools["default_limit"], "granularity": pools["granularity"]}
    assert retention["schedule"]["purgeAfterDays"] == written["retention"]["schedule"]["purge_after_days"]
    sensor = written["retention"]["sensor"]["purge_after_days"]
    assert {state: days for state, days in retention["sensor"]["purgeAfterDays"].items() if state in sensor} == sensor
    assert VALUES["additionalInstanceConfig"] == {name: written[name] for name in ("nux", "auto_materialize")}


def test_dagsters_launcher_understands_the_configuration_of_its_pods() -> None:
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    keys = {"podSpecConfig": "pod_spec_config", "jobSpecConfig": "job_spec_config"}
    config = {keys[key]: value for key, value in launcher["runK8sConfig"].items()}
    understood = UserDefinedDagsterK8sConfig.from_dict(config)
    assert understood.pod_spec_config == {"automount_service_account_token": False}
    assert understood.job_spec_config == {"ttl_seconds_after_finished": 86400}
    assert list(problems(launcher["resources"], "V1ResourceRequirements")) == []


@pytest.fixture(scope="module")
def schemas() -> Path:
    if "DEPLOY_SCHEMAS" not in os.environ:
        pytest.skip("DEPLOY_SCHEMAS names no folder with the schemas of others")
    return Path(os.environ["DEPLOY_SCHEMAS"])


def merged(below: object, above: object) -> object:
    """As Helm merges the values of a user into those of the chart."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return below | {key: merged(below.get(key), value) for key, value in above.items()}


def test_the_values_are_those_of_dagsters_chart(schemas: Path) -> None:
    of_chart = yaml.safe_load((schemas / "dagster" / "values.yaml").read_text())
    schema = json.loads((schemas / "dagster" / "values.schema.json").read_text())
    jsonschema.validate(merged(of_chart, VALUES), schema)
    assert VALUES.keys() <= of_chart.keys()
    for name in ("dagsterWebserver", "dagsterDaemon", "concurrency", "retention", "global", "postgresql"):
        assert VALUES[name].keys() <= of_chart[name].keys(), name


def test_the_ray_cluster_is_as_kuberay_has_it(schemas: Path) -> None:
    definition = yaml.safe_load((schemas / "rayclusters.yaml").read_text())
    schema = next(one for one in definition["spec"]["versions"] if one["name"] == "v1")["schema"]["openAPIV3Schema"]
    cluster = object_of("RayCluster")
    jsonschema.validate(cluster["spec"], closed(schema["properties"]["spec"]))


def closed(schema: object) -> object:
    """The schema without keys that it does not name, as the API server has it."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


def test_the_compose_file_is_as_the_compose_specification_has_it(schemas: Path) -> None:
    schema = json.loads((schemas / "compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(compose_file())
