#!/usr/bin/env python3
"""A CycloneDX 1.6 SBOM of an image, from what cargo says was linked.

Why not cargo-cyclonedx or cargo-sbom: compiling either takes CI minutes, and what they know is what `cargo tree` and
Cargo.lock know. `cargo tree -e normal` of one package is exactly what is linked into its binary: build and dev
dependencies and features of other packages are not.
"""
import argparse
import datetime
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

NAMESPACE = uuid.UUID("9d3d2f0c-6c5e-4b64-9f0f-3b1d5f6f5c11")


def linked(top, target, package):
    """(name, version) -> (licence, names and versions of direct dependencies) of all that is linked into `package`."""
    command = ["cargo", "tree", "--locked", "--offline", "--package", package, "--edges", "normal", "--target", target,
               "--no-dedupe", "--prefix", "depth", "--format", "|{p}|{l}"]
    text = subprocess.run(command, cwd=top, check=True, capture_output=True, text=True).stdout
    found, above = {}, []
    for line in text.splitlines():
        depth, spec, licence = line.split("|", 2)
        words = spec.split()
        if "(proc-macro)" in spec:
            key = None  # runs in the compiler; so does all below it
        else:
            key = (words[0], words[1].removeprefix("v"))
        del above[int(depth):]
        if key is not None and None not in above:
            found.setdefault(key, (licence, set()))
            if above:
                found[above[-1]][1].add(key)
        above.append(key)
    return found


def reference(key):
    return f"pkg:cargo/{key[0]}@{key[1]}"


def component(key, licence, checksums):
    entry = {"type": "library", "bom-ref": reference(key), "name": key[0], "version": key[1], "purl": reference(key)}
    if licence:
        # crates.io has old entries with a slash for OR.
        entry["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", licence)}]
    if checksums.get(key):
        entry["hashes"] = [{"alg": "SHA-256", "content": checksums[key]}]
    return entry


def static_libraries(target):
    """The C library's archive is linked in, and Rust's standard library."""
    rustc = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    entries = [{"type": "library", "bom-ref": f"rust-std@{rustc}", "name": "rust-std", "version": rustc,
                "licenses": [{"expression": "MIT OR Apache-2.0"}]}]
    libc, arch = ("libc6-dev-arm64-cross", "arm64") if target.startswith("aarch64") else ("libc6-dev", "amd64")
    try:
        query = ["dpkg-query", "--show", "--showformat=${Version}", libc]
        version = subprocess.run(query, check=True, capture_output=True, text=True).stdout
        entries.append({"type": "library", "bom-ref": "glibc", "name": "glibc", "version": version,
                        "purl": f"pkg:deb/debian/{libc}@{version.replace('+', '%2B')}?arch={arch}",
                        "licenses": [{"expression": "LGPL-2.1-or-later"}]})
    except (OSError, subprocess.CalledProcessError):
        print(f"sbom: no {libc} of Debian's: the C library's version is unknown", file=sys.stderr)
        entries.append({"type": "library", "bom-ref": "glibc", "name": "glibc"})
    return entries


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--top", "--target", "--image", "--tag", "--epoch"):
        parser.add_argument(option, required=True)
    parser.add_argument("binaries", nargs="+", metavar="PACKAGE=FILE")
    args = parser.parse_args()
    lock = tomllib.loads(pathlib.Path(args.top, "Cargo.lock").read_text())
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}

    packages, tops, files = {}, [], []
    for pair in args.binaries:
        package, file = pair.split("=", 1)
        found = linked(args.top, args.target, package)
        tops.append(next(iter(found)))
        for key, (licence, below) in found.items():
            packages.setdefault(key, (licence, set()))[1].update(below)
        path = pathlib.Path(file)
        files.append({"type": "file", "bom-ref": f"file:/{path.name}", "name": f"/{path.name}",
                      "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]})

    static = static_libraries(args.target)
    image = f"image:{args.image}"
    when = datetime.datetime.fromtimestamp(int(args.epoch), datetime.timezone.utc)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "container", "bom-ref": image, "name": f"kube-fpga/{args.image}",
                          "version": args.tag, "licenses": [{"expression": "Apache-2.0"}]},
        },
        "components": files + static + [component(k, l, checksums) for k, (l, _) in sorted(packages.items())],
        "dependencies":
            [{"ref": image, "dependsOn": [f["bom-ref"] for f in files]}]
            + [{"ref": f["bom-ref"], "dependsOn": [reference(top)] + [s["bom-ref"] for s in static]}
               for f, top in zip(files, tops)]
            + [{"ref": reference(k), "dependsOn": sorted(map(reference, below))}
               for k, (_, below) in sorted(packages.items())],
    }
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(NAMESPACE, content)}"
    json.dump(document, sys.stdout, indent=1, sort_keys=True)
    print()


main()
