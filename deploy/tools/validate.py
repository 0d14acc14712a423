#!/usr/bin/env python3
"""Validates manifests against the schemas of several versions of Kubernetes, strictly: validate.py TOOLS FILE.yaml...

Objects of our own CRDs are validated against the CRDs in deploy/crds, those of other operators by operators.mjs. A kind
that nobody knows is an error.
"""
import json
import pathlib
import shutil
import subprocess
import sys

import jsonschema
import kubernetes_validate
import yaml

VERSIONS = ["1.31", "1.37"]
OPERATORS = {"monitoring.coreos.com/v1", "cert-manager.io/v1"}
HERE = pathlib.Path(__file__).parent


def strict(schema):
    """As an API server with fieldValidation=Strict: no property that the schema does not name."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(part) for key, part in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


def own_schemas():
    schemas = {}
    for path in sorted((HERE.parent / "crds").glob("*.yaml")):
        for crd in filter(None, yaml.safe_load_all(path.read_text())):
            if crd["kind"] != "CustomResourceDefinition":
                continue
            for version in crd["spec"]["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema.setdefault("properties", {}).update(apiVersion={"type": "string"}, kind={"type": "string"},
                                                           metadata={"type": "object"})
                key = (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"])
                schemas[key] = schema
    return schemas


def main():
    tools, files = pathlib.Path(sys.argv[1]), sys.argv[2:]
    own, wrong, foreign, count = own_schemas(), [], [], 0
    for file in files:
        for document in filter(None, yaml.safe_load_all(pathlib.Path(file).read_text())):
            count += 1
            version, kind = document.get("apiVersion"), document.get("kind")
            name = f"{file}: {kind} {document.get('metadata', {}).get('name')}"
            if (version, kind) in own:
                errors = jsonschema.Draft202012Validator(own[version, kind]).iter_errors(document)
                wrong += [f"{name}: {error.json_path}: {error.message}" for error in errors]
            elif version in OPERATORS:
                foreign.append(document)
            elif version and version.startswith("kustomize.config.k8s.io/"):
                continue
            else:
                for kubernetes in VERSIONS:
                    try:
                        kubernetes_validate.validate(document, kubernetes, strict=True)
                    except Exception as error:  # Several classes; each means that it is not valid.
                        wrong.append(f"{name}: Kubernetes {kubernetes}: {(str(error) or repr(error)).splitlines()[0]}")
    if wrong:
        print("\n".join(wrong))
    else:
        print(f"schemas of Kubernetes {' and '.join(VERSIONS)} and of our CRDs: {count - len(foreign)} objects of {len(files)} files")
    code = bool(wrong)
    if foreign and (tools / "operators/node_modules").is_dir() and shutil.which("node"):
        command = ["node", str(tools / "operators/operators.mjs")]
        code |= subprocess.run(command, input=json.dumps(foreign), text=True).returncode != 0
    elif foreign:
        print(f"=== skipped: {len(foreign)} objects of other operators: no node here")
    sys.exit(code)


main()
