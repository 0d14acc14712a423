#!/usr/bin/env python3
"""Every metric in the alerts and the dashboard is one that a program has: metrics.py REPOSITORY"""
import pathlib
import re
import sys

top = pathlib.Path(sys.argv[1])
chart = top / "deploy/helm/kube-fpga"
reference = (top / "docs/metrics.md").read_text()
wrong, seen = [], set()
for path in [chart / "templates/monitoring/prometheusrule.yaml", chart / "dashboards/kube-fpga.json"]:
    for name in sorted(set(re.findall(r"\bkube_fpga_\w+", path.read_text()))):
        seen.add(name)
        # A histogram is in the reference by its own name.
        base = re.sub(r"_(bucket|sum|count|total)$", "", name)
        if not re.search(rf"\b{base}(_total)?\b", reference):
            wrong.append(f"{path.name}: {name} is no metric of ours")
print("\n".join(wrong) or f"metrics: {len(seen)} names, all in the reference")
sys.exit(bool(wrong))
