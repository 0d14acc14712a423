#!/usr/bin/env python3
"""Security rules over rendered manifests: rules.py FILE.yaml... ; prints what breaks one, and ends with 1 then."""
import sys

import yaml

WORKLOADS = {"DaemonSet", "Deployment", "StatefulSet", "Job", "CronJob", "Pod"}
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"

# What each component may have beyond the least. Everything else is refused.
EXCEPTIONS = {
    "agent": {
        "root": True, "token": {"agent"}, "privileged": {"programmer"}, "writes": {("programmer", "/sys")},
        "host": {"/var/lib/kubelet/device-plugins": "rw", "/var/lib/kubelet/pod-resources": "ro", "/var/run/cdi": "rw", "/run/kube-fpga": "rw", "/sys": "ro", "/dev": "ro",
                 "/opt/intel/fpga-sw": "rw", "/run/kube-fpga-emulator": "rw", "/opt/kube-fpga-emulator": "ro",
                 "/etc/containers/oci/hooks.d": "rw", "/srv/intel.com/fpga": "ro"},
    },
    "webhook": {"token": {"webhook"}},
    "emulator": {
        "root": True, "hostPID": True, "capabilities": {"SYS_PTRACE"},
        "host": {"/run/kube-fpga-emulator": "rw", "/opt/kube-fpga-emulator": "rw", "/srv/intel.com/fpga": "rw"},
    },
    "uninstall": {
        "root": True,
        "host": {"/var/run/cdi": "rw", "/opt/intel/fpga-sw": "rw", "/etc/containers/oci/hooks.d": "rw", "/run/kube-fpga": "rw",
                 "/opt/kube-fpga-emulator": "rw", "/srv/intel.com/fpga": "rw"},
    },
    # The sample workload.
    None: {"root": True, "host": {"/run/kube-fpga-emulator": "rw", "/opt/kube-fpga-emulator": "ro"}},
}
WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def pod_of(document):
    if document["kind"] == "Pod":
        return document["metadata"], document["spec"]
    template = document["spec"]["template"]
    return template["metadata"], template["spec"]


def workload(document):
    metadata, spec = pod_of(document)
    allowed = EXCEPTIONS.get(metadata.get("labels", {}).get("app.kubernetes.io/component"), {})
    for field in ("hostNetwork", "hostIPC", "shareProcessNamespace"):
        if spec.get(field):
            yield f"{field} is set"
    if spec.get("hostPID") and not allowed.get("hostPID"):
        yield "hostPID is set"
    if spec.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken is not false"
    volumes = {v["name"]: v for v in spec.get("volumes", [])}
    for volume in volumes.values():
        path = volume.get("hostPath", {}).get("path")
        if path and path not in allowed.get("host", {}):
            yield f"hostPath {path}"
    for container in spec.get("initContainers", []) + spec["containers"]:
        for fault in of_container(container, spec, volumes, allowed):
            yield f"container {container['name']}: {fault}"


def of_container(container, spec, volumes, allowed):
    own, pod = container.get("securityContext", {}), spec.get("securityContext", {})
    is_privileged = own.get("privileged") and container["name"] in allowed.get("privileged", set())
    if own.get("privileged") and not is_privileged:
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False and not is_privileged:
        yield "allowPrivilegeEscalation is not false"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem is not true"
    capabilities = own.get("capabilities", {})
    # A privileged container has all of them whatever it says.
    if not is_privileged:
        if own.get("seccompProfile", pod.get("seccompProfile", {})).get("type") != "RuntimeDefault":
            yield "seccompProfile is not RuntimeDefault"
        if capabilities.get("drop") != ["ALL"]:
            yield "capabilities are not dropped"
    if extra := set(capabilities.get("add", [])) - allowed.get("capabilities", set()):
        yield f"capabilities {sorted(extra)}"
    if own.get("runAsUser", pod.get("runAsUser")) in (0, None) and not allowed.get("root"):
        yield "runs as root"
    if not allowed.get("root") and own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot is not true"
    if "memory" not in container.get("resources", {}).get("limits", {}) and spec.get("restartPolicy") != "Never":
        yield "no limit on memory"
    tag = container["image"].rsplit("/", 1)[-1]
    if ":" not in tag or tag.endswith(":latest"):
        yield f"image {container['image']} has no fixed tag"
    mounts = {mount["mountPath"] for mount in container.get("volumeMounts", [])}
    if "/dev" in mounts and container.get("terminationMessagePath", "/dev/termination-log").startswith("/dev/"):
        yield "terminationMessagePath is in /dev, which is the host's"
    for mount in container.get("volumeMounts", []):
        volume = volumes[mount["name"]]
        path = volume.get("hostPath", {}).get("path")
        is_read = allowed.get("host", {}).get(path) == "ro" and (container["name"], path) not in allowed.get("writes", set())
        if is_read and not mount.get("readOnly"):
            yield f"{path} is not mounted read-only"
        if mount["mountPath"] == TOKEN and container["name"] not in allowed.get("token", set()):
            yield "has a service account's token"


def role(document):
    for rule in document.get("rules", []):
        groups, resources, verbs = (set(rule.get(k, [])) for k in ("apiGroups", "resources", "verbs"))
        if "*" in groups | resources | verbs or "nonResourceURLs" in rule:
            yield f"wildcard in {rule}"
        if verbs & {"escalate", "bind", "impersonate"} or resources & {"pods/exec", "pods/ephemeralcontainers"}:
            yield f"way to more rights in {rule}"
        named = bool(rule.get("resourceNames"))
        if "secrets" in resources:
            if document["kind"] == "ClusterRole":
                yield "secrets of all namespaces"
            if verbs != {"create"} and not named:
                yield f"secrets without names: {sorted(verbs)}"
        for resource in resources - {"secrets"}:
            writes = verbs & WRITES
            small = resource == "events" or resource.endswith("/status") or writes == {"create"} and resource == "leases"
            if writes and not (small or named):
                yield f"{sorted(writes)} on {resource} without names"


def faults(document):
    """Sentences on what breaks a rule in one object."""
    kind = document["kind"]
    if kind in WORKLOADS:
        yield from workload(document)
    elif kind in ("Role", "ClusterRole"):
        yield from role(document)
    elif kind == "ServiceAccount" and document.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken is not false"


def main():
    wrong, seen = [], 0
    for path in sys.argv[1:]:
        with open(path) as file:
            for document in filter(None, yaml.safe_load_all(file)):
                seen += document["kind"] in WORKLOADS
                name = f"{path}: {document['kind']} {document['metadata']['name']}"
                wrong += [f"{name}: {fault}" for fault in faults(document)]
    if not seen:
        wrong.append("no workload in what was given")
    print("\n".join(wrong) or f"security rules: {seen} workloads, none privileged but the programmer")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
