"""The manifests: references lead somewhere, selectors find the right pods, nobody has rights, settings fit."""

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.adapters.kafka.topics import read_topics
from monitor.app.settings import load_settings
from tests.deploying.composed import BUCKET, DEPLOY, IMAGE, NEEDED, ROOT, SECRETS, compose, setting

KUBERNETES = DEPLOY / "kubernetes"
WORKERS = ("intake", "score", "cases", "profiles", "history")
NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DOCUMENTED = re.compile(r"^\| `(aml-[a-z-]+)` \| ([^|]+) \|", re.MULTILINE)
"""A secret in the table of docs/deploying.md with its keys."""

Document = dict[str, Any]
each_overlay = pytest.mark.parametrize("overlay", ["small", "production", "production-s3"])


@dataclass
class Rendered:
    """An overlay as kubectl renders it."""

    documents: list[Document]
    workloads: dict[str, Document] = field(default_factory=dict)
    """What has a pod template, by its name without ``aml-``."""

    def __post_init__(self) -> None:
        kinds = ("Deployment", "StatefulSet", "Job")
        self.workloads = {name_of(each).removeprefix("aml-"): each for each in self.documents if each["kind"] in kinds}

    def of(self, *kinds: str) -> list[Document]:
        """The documents of these kinds; there are some."""
        found = [each for each in self.documents if each["kind"] in kinds]
        assert found, kinds
        return found

    def names(self, kind: str) -> set[str]:
        """Names of the documents of a kind."""
        return {name_of(each) for each in self.documents if each["kind"] == kind}

    def chosen(self, selector: Mapping[str, Any]) -> set[str]:
        """The workloads whose pods a selector finds."""
        return {name for name, each in self.workloads.items() if fits(selector, labels_of(each))}


@cache
def rendered(overlay: str) -> Rendered:
    """An overlay, rendered; the test is skipped where kubectl is missing."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl to render the manifests")
    command = ["kubectl", "kustomize", KUBERNETES / "overlays" / overlay]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Rendered(list(yaml.safe_load_all(done.stdout)))


def name_of(document: Document) -> str:
    return str(document["metadata"]["name"])


def template(workload: Document) -> Document:
    return workload["spec"]["template"]  # type: ignore[no-any-return]


def labels_of(workload: Document) -> dict[str, str]:
    return template(workload)["metadata"]["labels"]  # type: ignore[no-any-return]


def container(workload: Document) -> Document:
    (only,) = template(workload)["spec"]["containers"]
    return only  # type: ignore[no-any-return]


def fits(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector finds a pod; an empty one finds all."""
    assert selector.keys() <= {"matchLabels", "matchExpressions"}, selector
    wanted = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    for each in selector.get("matchExpressions", []):
        assert each["operator"] == "In", each
        wanted = wanted and labels.get(each["key"]) in each["values"]
    return wanted


def secret_keys(overlay: Rendered, workload: Document) -> Iterator[tuple[str, str]]:
    """Secret and key of every file in a secret that a variable of the container names."""
    spec, only = template(workload)["spec"], container(workload)
    secrets = {each["name"]: each["secret"]["secretName"] for each in spec.get("volumes", []) if "secret" in each}
    mounted = {each["mountPath"]: secrets[each["name"]] for each in only["volumeMounts"] if each["name"] in secrets}
    for text in environment(overlay, workload).values():
        for place, name in mounted.items():
            if text.startswith(f"{place}/"):
                yield name, text.removeprefix(f"{place}/")


def environment(overlay: Rendered, workload: Document) -> dict[str, str]:
    """The variables of the container, from its ConfigMaps and its own."""
    only = container(workload)
    maps = {name_of(each): each["data"] for each in overlay.of("ConfigMap")}
    given: dict[str, str] = {}
    for each in only.get("envFrom", []):
        given |= maps[each["configMapRef"]["name"]]
    return given | {each["name"]: each["value"] for each in only.get("env", [])}


@each_overlay
def test_documents_have_proper_names_of_their_own_in_one_namespace(overlay: str):
    documents = rendered(overlay).documents
    assert {"topics", *WORKERS} <= rendered(overlay).workloads.keys()
    for each in documents:
        assert each["apiVersion"], each
        assert re.fullmatch(NAME, name_of(each)), name_of(each)
        assert each["kind"] == "Namespace" or each["metadata"]["namespace"] == "aml", name_of(each)
    assert len({(each["kind"], name_of(each)) for each in documents}) == len(documents)
    assert rendered(overlay).names("Namespace") == {"aml"}


@each_overlay
def test_selectors_find_the_pods_that_they_are_for_and_no_others(overlay: str):
    here = rendered(overlay)
    for each in here.of("Deployment", "StatefulSet"):
        name = name_of(each).removeprefix("aml-")
        assert here.chosen(each["spec"]["selector"]) == {name}
        for spread in template(each)["spec"].get("topologySpreadConstraints", []):
            assert here.chosen(spread["labelSelector"]) == {name}
    for each in here.of("PodDisruptionBudget"):
        assert here.chosen(each["spec"]["selector"]) == {name_of(each).removeprefix("aml-")}
    assert {name_of(each) for each in here.of("PodDisruptionBudget")} == {f"aml-{worker}" for worker in WORKERS}
    for each in here.of("Service"):
        (found,) = here.chosen({"matchLabels": each["spec"]["selector"]})
        assert found == name_of(each).removeprefix("aml-")
        there = {port["name"]: port["containerPort"] for port in container(here.workloads[found])["ports"]}
        for port in each["spec"]["ports"]:
            assert there[port["targetPort"]] == port["port"]
    for each in here.documents:
        if each["kind"] == "PodMonitor":
            assert here.chosen(each["spec"]["selector"]) == set(WORKERS)


@each_overlay
def test_what_a_pod_refers_to_is_there_or_documented(overlay: str):
    here = rendered(overlay)
    documented = {name for name, _ in DOCUMENTED.findall((ROOT / "docs" / "deploying.md").read_text())}
    for name, each in here.workloads.items():
        spec, only = template(each)["spec"], container(each)
        assert name not in NEEDED or spec["serviceAccountName"] in here.names("ServiceAccount"), name
        claimed = {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        assert volumes | claimed == {mount["name"] for mount in only["volumeMounts"]}, name
        assert len({(mount["mountPath"]) for mount in only["volumeMounts"]}) == len(only["volumeMounts"])
        for volume in spec.get("volumes", []):
            if "secret" in volume:
                assert volume["secret"]["secretName"] in documented, name
            elif "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in here.names("PersistentVolumeClaim"), name
            elif "configMap" in volume:
                source = volume["configMap"]
                assert source.get("optional") or source["name"] in here.names("ConfigMap"), name
            else:
                assert volume["emptyDir"]["sizeLimit"], name
        for source in only.get("envFrom", []):
            assert source["configMapRef"]["name"] in here.names("ConfigMap"), name


def test_the_secrets_of_the_small_overlay_are_those_that_the_script_makes(tmp_path: Path):
    here = rendered("small")
    subprocess.run(["sh", DEPLOY / "make-secrets.sh", tmp_path], check=True, capture_output=True)
    command = ["sh", KUBERNETES / "secrets.sh", tmp_path]  # asks no cluster
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    made = {name_of(each): each["data"] for each in yaml.safe_load_all(done.stdout) if each}
    mounted = {
        volume["secret"]["secretName"]
        for each in here.workloads.values()
        for volume in template(each)["spec"].get("volumes", [])
        if "secret" in volume
    }
    assert mounted == made.keys()
    named = {pair for each in here.workloads.values() for pair in secret_keys(here, each)}
    assert named == {(name, key) for name, data in made.items() for key in data} - {("aml-redis-users", "redis_users")}
    assert base64.b64decode(made["aml-token-key"]["token_key"]) == (tmp_path / "token_key").read_bytes()
    # Redis is told its users by redis.conf, the same in compose.
    assert "aclfile /run/secrets/redis_users\n" in (DEPLOY / "redis" / "redis.conf").read_text()
    users = [
        each["mountPath"] for each in container(here.workloads["redis"])["volumeMounts"] if each["name"] == "users"
    ]
    assert users == ["/run/secrets"]


@each_overlay
@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_worker_is_given_what_it_needs_and_no_secret_more(overlay: str, name: str, tmp_path: Path):
    here = rendered(overlay)
    given = environment(here, here.workloads[name])
    assert all(variable.startswith("AML_") for variable in given)
    texts = {
        "store.token_key": "0" * 64,
        "redis.url": "rediss://score:x@redis:6379/0",
        "database.url": "postgresql://x",
    }
    mounts = [each["mountPath"] for each in container(here.workloads[name])["volumeMounts"]]
    for variable, value in given.items():
        if value.startswith("/run/"):
            assert any(value.startswith(f"{place}/") for place in mounts), variable
            (tmp_path / variable).write_text(texts.get(setting(variable), "secret"))
            given[variable] = str(tmp_path / variable)
    found = load_settings(given)
    settings = {setting(variable) for variable in given}
    needed = NEEDED[name] | ({"kafka.password", "kafka.user", "kafka.ca"} if overlay != "small" else set())
    if name == "score" and overlay == "production-s3":
        needed = needed | BUCKET
    assert needed <= settings
    assert settings & SECRETS == needed & SECRETS
    if overlay != "small":
        assert found.kafka.protocol == "SASL_SSL"
        assert found.kafka.user == f"aml-{name}"
    if name in WORKERS:
        assert found.worker.port == 9464


@each_overlay
def test_pods_have_no_rights(overlay: str):
    here = rendered(overlay)
    for name, each in here.workloads.items():
        spec, only = template(each)["spec"], container(each)
        assert spec["automountServiceAccountToken"] is False, name
        # Variables that Kubernetes makes of services would be taken for settings: AML_STORE_PORT is one.
        assert spec["enableServiceLinks"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] >= 999, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert only["securityContext"]["allowPrivilegeEscalation"] is False, name
        assert only["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert only["securityContext"]["readOnlyRootFilesystem"] is (name != "kafka"), name
        assert only["resources"].keys() == {"requests", "limits"}, name
        assert re.fullmatch(IMAGE, only["image"]), name
    (namespace,) = here.of("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@each_overlay
def test_workers_are_probed_where_they_answer_and_give_up_their_partitions_one_at_a_time(overlay: str):
    here = rendered(overlay)
    for name in WORKERS:
        each = here.workloads[name]
        only = container(each)
        assert only["args"] == ["worker", name]
        assert only["ports"] == [{"name": "metrics", "containerPort": 9464}]
        places = {kind: only[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
        assert places == {
            "startup": {"path": "/live", "port": "metrics"},
            "liveness": {"path": "/live", "port": "metrics"},
            "readiness": {"path": "/ready", "port": "metrics"},
        }
        assert each["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


@each_overlay
def test_traffic_is_refused_but_for_what_each_worker_needs(overlay: str):
    here = rendered(overlay)
    policies = {name_of(each): each["spec"] for each in here.of("NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    ports = {"kafka": 9092 if overlay == "small" else 9093, "redis": 6379, "postgres": 5432}
    needs = {"kafka": "kafka.bootstrap", "redis": "redis.url", "postgres": "database.url"}
    for server, port in ports.items():
        wanted = {name for name, settings in NEEDED.items() if needs[server] in settings}
        leaving = policies[f"to-{server}"]
        assert here.chosen(leaving["podSelector"]) == wanted
        (out,) = leaving["egress"]
        assert out["ports"] == [{"protocol": "TCP", "port": port}]
        assert len(out["to"]) == 1
        if overlay == "small":
            assert here.chosen(out["to"][0]["podSelector"]) == {server}
            assert here.chosen(policies[server]["podSelector"]) == {server}
            (into,) = policies[server]["ingress"]
            assert here.chosen(into["from"][0]["podSelector"]) == wanted
            assert into["ports"] == out["ports"]
        else:
            assert out["to"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": server}
    assert here.chosen(policies["metrics"]["podSelector"]) == set(WORKERS)
    assert policies["metrics"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 9464}]
    for spec in policies.values():  # none that lets everybody in or out
        assert all(rule.get("to") for rule in spec.get("egress", []))
        assert all(rule.get("from") for rule in spec.get("ingress", []))


def test_scoring_alone_reaches_the_bucket():
    here = rendered("production-s3")
    policies = {name_of(each): each["spec"] for each in here.of("NetworkPolicy")}
    assert here.chosen(policies["to-s3"]["podSelector"]) == {"score"}
    documented = dict(DOCUMENTED.findall((ROOT / "docs" / "deploying.md").read_text()))
    for name, key in secret_keys(here, here.workloads["score"]):
        assert f"`{key}`" in documented[name], name


def test_the_small_overlay_has_the_servers_of_the_compose_file():
    services = compose()["services"]
    for name in ("kafka", "redis", "postgres"):
        assert container(rendered("small").workloads[name])["image"] == services[name]["image"]


def test_workers_of_production_follow_their_lag_up_to_the_partitions():
    here, topics = rendered("production"), read_topics(DEPLOY / "topics.yaml")
    scaled = {name_of(each).removeprefix("aml-"): each["spec"] for each in here.of("ScaledObject")}
    most = {"intake": topics["transactions"].partitions, "score": topics["legs"].partitions}
    assert scaled.keys() == most.keys()
    for name, spec in scaled.items():
        assert spec["scaleTargetRef"] == {"name": name_of(here.workloads[name])}
        assert "replicas" not in here.workloads[name]["spec"], "two would decide how many there are"
        assert 2 <= spec["minReplicaCount"] < spec["maxReplicaCount"] <= most[name]
    assert all(here.workloads[name]["spec"]["replicas"] == 2 for name in ("cases", "profiles"))


def test_intake_is_asked_for_its_lag_at_the_brokers_and_scoring_at_prometheus():
    here = rendered("production")
    asked = {name_of(each).removeprefix("aml-"): each["spec"]["triggers"] for each in here.of("ScaledObject")}
    ((intake,), (score,)) = asked["intake"], asked["score"]
    brokers = environment(here, here.workloads["intake"])["AML_KAFKA_BOOTSTRAP"]
    assert intake["type"] == "kafka"
    assert intake["metadata"]["bootstrapServers"] == brokers
    assert intake["metadata"]["topic"] == "transactions"
    assert intake["metadata"]["consumerGroup"] == "aml-intake"
    assert (intake["metadata"]["sasl"], intake["metadata"]["tls"]) == ("scram_sha512", "enable")
    (authentication,) = here.of("TriggerAuthentication")
    assert intake["authenticationRef"]["name"] == name_of(authentication)
    documented = dict(DOCUMENTED.findall((ROOT / "docs" / "deploying.md").read_text()))
    for wanted in authentication["spec"]["secretTargetRef"]:
        assert f"`{wanted['key']}`" in documented[wanted["name"]]
    assert score["type"] == "prometheus"
    assert score["metadata"]["query"] == 'sum(aml_lag_records{worker="score"})'


def test_every_secret_of_production_is_documented_with_its_keys():
    here = rendered("production")
    documented = dict(DOCUMENTED.findall((ROOT / "docs" / "deploying.md").read_text()))
    named = {pair for each in here.workloads.values() for pair in secret_keys(here, each)}
    assert named
    for name, key in named:
        assert f"`{key}`" in documented[name], name


def test_topics_of_production_have_three_copies():
    for overlay, copies in (("small", "1"), ("production", "3")):
        assert container(rendered(overlay).workloads["topics"])["args"] == ["topics", "create", "--replication", copies]


def test_state_of_partitions_is_on_a_volume_that_all_scoring_workers_write():
    (small,) = rendered("small").of("PersistentVolumeClaim")
    (production,) = rendered("production").of("PersistentVolumeClaim")
    assert small["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert production["spec"]["accessModes"] == ["ReadWriteMany"]
    score = rendered("production").workloads["score"]
    given = environment(rendered("production"), score)
    assert given["AML_STORE_FOLDER"] in [each["mountPath"] for each in container(score)["volumeMounts"]]


def test_the_page_names_what_each_process_cannot_do_without():
    page = (ROOT / "docs" / "deploying.md").read_text()
    rows = re.findall(r"^\| `aml (?:worker )?([a-z]+)(?: create)?` \| (`AML_.*`) \|$", page, re.MULTILINE)
    assert {name: {setting(each) for each in re.findall(r"`(AML_\w+)`", given)} for name, given in rows} == NEEDED
