"""The rules find what they are for: python3 -m unittest discover deploy/tools"""
import copy
import pathlib
import unittest

import yaml

import rules

BASE = pathlib.Path(__file__).parent.parent / "base"


def load(overlay, kind, name):
    documents = filter(None, yaml.safe_load_all((BASE / overlay / "kube-fpga.yaml").read_text()))
    return next(d for d in documents if (d["kind"], d["metadata"]["name"]) == (kind, name))


class Rules(unittest.TestCase):
    def refuses(self, document, fault, change):
        """What is shipped is accepted; with the change it is refused for this reason."""
        self.assertEqual(list(rules.faults(document)), [])
        changed = copy.deepcopy(document)
        change(changed)
        found = list(rules.faults(changed))
        self.assertTrue(any(fault in f for f in found), f"{fault!r} not in {found}")

    def test_the_programmer_alone_is_privileged(self):
        agent = load("af", "DaemonSet", "kube-fpga-agent")
        spec = agent["spec"]["template"]["spec"]
        limits = {"limits": {"memory": "128Mi"}}
        programmer = {
            "name": "programmer", "image": "localhost/kube-fpga/programmer:0.1.0", "resources": limits,
            "securityContext": {"privileged": True, "runAsUser": 0, "readOnlyRootFilesystem": True},
            "volumeMounts": [{"name": "sys", "mountPath": "/sys"}],
        }
        spec["containers"].append(programmer)
        last = lambda d: d["spec"]["template"]["spec"]["containers"][-1]
        mount = lambda **more: lambda d: last(d)["volumeMounts"].append(more)
        for fault, change in [
            ("privileged", lambda d: last(d).update(name="other")),
            ("readOnlyRootFilesystem", lambda d: last(d)["securityContext"].pop("readOnlyRootFilesystem")),
            ("token", mount(name="token", mountPath=rules.TOKEN)),
            ("/dev is not mounted read-only", mount(name="dev", mountPath="/dev")),
            ("/sys is not mounted read-only", lambda d: d["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].append(
                {"name": "sys", "mountPath": "/host-sys"})),
        ]:
            self.refuses(agent, fault, change)

    def test_workloads(self):
        agent, webhook = load("af", "DaemonSet", "kube-fpga-agent"), load("af", "Deployment", "kube-fpga-webhook")
        emulator = load("emulated", "DaemonSet", "kube-fpga-emulator")
        spec = lambda d: d["spec"]["template"]["spec"]
        context = lambda d: spec(d)["containers"][0]["securityContext"]
        cases = [
            (agent, "privileged", lambda d: context(d).update(privileged=True)),
            (agent, "terminationMessagePath", lambda d: spec(d)["containers"][0].pop("terminationMessagePath")),
            (agent, "allowPrivilegeEscalation", lambda d: context(d).pop("allowPrivilegeEscalation")),
            (agent, "readOnlyRootFilesystem", lambda d: context(d).update(readOnlyRootFilesystem=False)),
            (agent, "seccompProfile", lambda d: context(d)["seccompProfile"].update(type="Unconfined")),
            (agent, "not dropped", lambda d: context(d)["capabilities"].update(drop=["NET_RAW"])),
            (agent, "SYS_ADMIN", lambda d: context(d)["capabilities"].update(add=["SYS_ADMIN"])),
            (emulator, "SYS_ADMIN", lambda d: context(d)["capabilities"]["add"].append("SYS_ADMIN")),
            (agent, "hostPID", lambda d: spec(d).update(hostPID=True)),
            (agent, "hostNetwork", lambda d: spec(d).update(hostNetwork=True)),
            (agent, "hostPath /etc", lambda d: spec(d)["volumes"].append({"name": "x", "hostPath": {"path": "/etc"}})),
            (agent, "/sys is not mounted read-only", lambda d: next(
                m for m in spec(d)["containers"][0]["volumeMounts"] if m["name"] == "sys").pop("readOnly")),
            (agent, "token", lambda d: spec(d)["initContainers"][0]["volumeMounts"].append(
                {"name": "token", "mountPath": rules.TOKEN})),
            (agent, "automount", lambda d: spec(d).pop("automountServiceAccountToken")),
            (agent, "limit on memory", lambda d: spec(d)["containers"][0]["resources"].pop("limits")),
            (agent, "fixed tag", lambda d: spec(d)["containers"][0].update(image="a/agent:latest")),
            (webhook, "runs as root", lambda d: spec(d)["securityContext"].update(runAsUser=0)),
            (webhook, "runAsNonRoot", lambda d: spec(d)["securityContext"].pop("runAsNonRoot")),
            (webhook, "hostPath", lambda d: spec(d)["volumes"].append({"name": "x", "hostPath": {"path": "/sys"}})),
        ]
        for document, fault, change in cases:
            with self.subTest(fault):
                self.refuses(document, fault, change)

    def test_roles(self):
        role, cluster = load("af", "Role", "kube-fpga-webhook"), load("af", "ClusterRole", "kube-fpga-agent")
        add = lambda **rule: lambda d: d["rules"].append({"apiGroups": [""], **rule})
        cases = [
            (cluster, "wildcard", add(resources=["*"], verbs=["get"])),
            (cluster, "secrets of all", add(resources=["secrets"], verbs=["get"], resourceNames=["a"])),
            (cluster, "on nodes", add(resources=["nodes"], verbs=["patch"])),
            (cluster, "more rights", add(resources=["pods"], verbs=["impersonate"])),
            (role, "secrets without names", add(resources=["secrets"], verbs=["list"])),
        ]
        for document, fault, change in cases:
            with self.subTest(fault):
                self.refuses(document, fault, change)


if __name__ == "__main__":
    unittest.main()
