"""Edits of the children of an instance: each kind of child is added to, changed and emptied."""

from collections.abc import Callable

import pytest
from apiserver import Manifest

Edit = Callable[[Manifest], None]


def pod_of(found: Manifest) -> Manifest:
    spec: Manifest = found["spec"]["template"]["spec"]
    return spec


def main_of(found: Manifest) -> Manifest:
    container: Manifest = pod_of(found)["containers"][0]
    return container


def annotate(found: Manifest) -> None:
    found["metadata"].setdefault("annotations", {})["example.com/added"] = "x"
    found["metadata"]["labels"]["added"] = "x"
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1234"}
    found["metadata"].setdefault("ownerReferences", []).append(owner)


def relabel(found: Manifest) -> None:
    found["metadata"]["labels"]["app.kubernetes.io/part-of"] = "other"
    found["metadata"]["annotations"]["kato.dev/applied"] = "other"


def unlabel(found: Manifest) -> None:
    del found["metadata"]["labels"]["app.kubernetes.io/part-of"]
    del found["metadata"]["annotations"]["kato.dev/applied"]


def add_to_deployment(found: Manifest) -> None:
    pod_of(found)["hostNetwork"] = True
    pod_of(found)["containers"].append({"name": "shell", "image": "shell:1"})
    pod_of(found)["initContainers"] = [{"name": "first", "image": "shell:1"}]
    main_of(found)["env"].append({"name": "DEBUG", "value": "1"})
    main_of(found)["lifecycle"]["postStart"] = {"exec": {"command": ["true"]}}
    found["spec"]["minReadySeconds"] = 7
    found["spec"]["paused"] = True
    found["spec"]["template"]["metadata"]["annotations"]["example.com/added"] = "x"


def change_deployment(found: Manifest) -> None:
    found["spec"]["strategy"] = {"type": "Recreate"}
    pod_of(found)["dnsPolicy"] = "Default"
    container = main_of(found)
    container["image"] = "other:1"
    container["readinessProbe"] = {"exec": {"command": ["true"]}}
    container["livenessProbe"]["initialDelaySeconds"] = 5
    container["env"][0] = {"name": container["env"][0]["name"], "value": "mine"}
    container["ports"][0]["containerPort"] = 9000


def remove_from_deployment(found: Manifest) -> None:
    container = main_of(found)
    for name in ("livenessProbe", "resources", "securityContext", "lifecycle"):
        del container[name]
    container["env"].pop()
    pod_of(found)["securityContext"] = {}


def add_to_set(found: Manifest) -> None:
    pod_of(found)["hostAliases"] = [{"ip": "1.2.3.4", "hostnames": ["a"]}]
    pod_of(found)["volumes"].append({"name": "added", "emptyDir": {}})
    main_of(found)["env"] = [{"name": "DEBUG", "value": "1"}]
    main_of(found)["volumeMounts"].append({"name": "added", "mountPath": "/added"})
    found["spec"]["minReadySeconds"] = 7


def change_set(found: Manifest) -> None:
    found["spec"]["replicas"] = 3
    found["spec"]["updateStrategy"] = {"type": "OnDelete"}
    found["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] = "Delete"
    main_of(found)["name"] = "renamed"
    config = next(item for item in pod_of(found)["volumes"] if item["name"] == "config")
    config.update({"emptyDir": {}})
    del config["configMap"]


def remove_from_set(found: Manifest) -> None:
    del main_of(found)["startupProbe"]
    del main_of(found)["command"]
    main_of(found)["volumeMounts"].pop()


def add_to_service(found: Manifest) -> None:
    found["spec"]["externalIPs"] = ["1.2.3.4"]
    found["spec"]["ports"].append({"name": "more", "port": 9, "protocol": "TCP"})


def change_service(found: Manifest) -> None:
    found["spec"]["ports"] = [{**found["spec"]["ports"][0], "port": 8001, "targetPort": 1}]
    found["spec"]["sessionAffinity"] = "ClientIP"
    found["spec"]["internalTrafficPolicy"] = "Local"


def expose_service(found: Manifest) -> None:
    found["spec"]["type"] = "LoadBalancer"
    found["spec"]["loadBalancerSourceRanges"] = ["0.0.0.0/0"]
    found["spec"]["selector"] = {"app": "other"}
    del found["spec"]["ports"][0]["name"]


def add_key(found: Manifest) -> None:
    found["data"]["ADDED"] = "YQ=="


def change_key(found: Manifest) -> None:
    found["data"][next(iter(found["data"]))] = "YQ=="


def remove_key(found: Manifest) -> None:
    del found["data"][next(iter(found["data"]))]


def add_to_account(found: Manifest) -> None:
    found["imagePullSecrets"] = [{"name": "added"}]
    found["secrets"] = [{"name": "added"}]


def mount_token(found: Manifest) -> None:
    found["automountServiceAccountToken"] = True


def forget_token(found: Manifest) -> None:
    del found["automountServiceAccountToken"]


def add_to_scaler(found: Manifest) -> None:
    target = {"type": "Utilization", "averageUtilization": 50}
    found["spec"]["metrics"].append(
        {"type": "Resource", "resource": {"name": "memory", "target": target}}
    )
    found["spec"]["behavior"] = {"scaleDown": {"stabilizationWindowSeconds": 1}}


def change_scaler(found: Manifest) -> None:
    found["spec"]["maxReplicas"] = 99
    found["spec"]["scaleTargetRef"]["name"] = "other"


def remove_from_scaler(found: Manifest) -> None:
    del found["spec"]["metrics"]
    del found["spec"]["minReplicas"]


def add_to_budget(found: Manifest) -> None:
    found["spec"]["selector"]["matchExpressions"] = [{"key": "a", "operator": "Exists"}]


def invert_budget(found: Manifest) -> None:
    del found["spec"]["maxUnavailable"]
    found["spec"]["minAvailable"] = 1


def empty_budget(found: Manifest) -> None:
    del found["spec"]["maxUnavailable"]
    del found["spec"]["unhealthyPodEvictionPolicy"]


def add_to_ingress(found: Manifest) -> None:
    found["spec"]["tls"] = [{"hosts": ["other.example"]}]
    found["spec"]["rules"].append({"host": "other.example"})
    found["spec"]["ingressClassName"] = "other"


def change_ingress(found: Manifest) -> None:
    found["spec"]["rules"][0]["host"] = "other.example"


def remove_from_ingress(found: Manifest) -> None:
    del found["spec"]["rules"]
    port = {"number": 1}
    found["spec"]["defaultBackend"] = {"service": {"name": "other", "port": port}}


def add_to_policy(found: Manifest) -> None:
    found["spec"]["ingress"].append({})
    found["spec"]["policyTypes"].append("Egress")
    found["spec"]["egress"] = [{}]


def change_policy(found: Manifest) -> None:
    found["spec"]["podSelector"] = {"matchLabels": {"app": "other"}}


def remove_from_policy(found: Manifest) -> None:
    del found["spec"]["ingress"]


def add_to_monitor(found: Manifest) -> None:
    found["spec"]["namespaceSelector"] = {"any": True}
    found["spec"]["endpoints"][0]["interval"] = "1s"


def change_monitor(found: Manifest) -> None:
    found["spec"]["endpoints"][0]["path"] = "/other"


def remove_from_monitor(found: Manifest) -> None:
    del found["spec"]["endpoints"]


TABLE: dict[tuple[str, str], tuple[Edit, ...]] = {
    ("Deployment", "prod"): (add_to_deployment, change_deployment, remove_from_deployment),
    ("StatefulSet", "prod-redis"): (add_to_set, change_set, remove_from_set),
    ("Service", "prod"): (add_to_service, change_service, expose_service),
    ("Service", "prod-mongodb-peers"): (add_to_service, change_service),
    ("ConfigMap", "prod-config"): (add_key, change_key, remove_key),
    ("Secret", "prod-connections"): (add_key, change_key, remove_key),
    ("ServiceAccount", "prod"): (add_to_account, mount_token, forget_token),
    ("HorizontalPodAutoscaler", "prod"): (add_to_scaler, change_scaler, remove_from_scaler),
    ("PodDisruptionBudget", "prod"): (add_to_budget, invert_budget, empty_budget),
    ("Ingress", "prod"): (add_to_ingress, change_ingress, remove_from_ingress),
    ("NetworkPolicy", "prod-redis"): (add_to_policy, change_policy, remove_from_policy),
    ("ServiceMonitor", "prod"): (add_to_monitor, change_monitor, remove_from_monitor),
    ("PersistentVolumeClaim", "small-data"): (),
}
KINDS = [pytest.param(*key, id=f"{key[0]} {key[1]}") for key in TABLE]
