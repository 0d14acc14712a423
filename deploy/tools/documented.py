#!/usr/bin/env python3
"""Every value has a description above it, is in the schema, and is used by a template: documented.py CHART"""
import json
import pathlib
import re
import sys

import yaml

chart = pathlib.Path(sys.argv[1])
text = (chart / "values.yaml").read_text()
schema = json.loads((chart / "values.schema.json").read_text())
templates = "".join(p.read_text() for p in sorted((chart / "templates").rglob("*")) if p.is_file())
# Their names say what they are.
PLAIN = {"enabled", "resources", "podAnnotations", "labels", "pullPolicy", "pullSecrets", "nodeSelector", "affinity", "tolerations",
         "replicas", "logFormat", "logLevel", "port", "interval", "timeoutSeconds"}
wrong = []


def walk(values, properties, path):
    for key, value in values.items():
        here = [*path, key]
        name = ".".join(here)
        part = properties.get(key)
        if part is None:
            wrong.append(f"{name} is not in the schema")
            continue
        if not re.search(rf"\b{re.escape(key)}\b", templates):
            wrong.append(f"{name} is used by no template")
        if isinstance(value, dict) and "properties" in part and "$ref" not in part:
            walk(value, part["properties"], here)
        elif key not in PLAIN and not re.search(rf"# --[^\n]*\n(?:\s*#[^\n]*\n)*{'  ' * len(path)}{re.escape(key)}:", text):
            wrong.append(f"{name} has no description")
    for key in properties.keys() - values.keys() - {"global"}:
        wrong.append(f"{'.'.join([*path, key])} is in the schema and has no default")


walk(yaml.safe_load(text), schema["properties"], [])
print("\n".join(wrong) or "values: all described, all in the schema, all used")
sys.exit(bool(wrong))
