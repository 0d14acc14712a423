# CI's steps, for people with just(1): `just` lists them. What they do is in .ci/run, which needs no just.

_list:
    @just --list --unsorted

# Everything that CI does
ci:
    .ci/run

# Debian packages that the steps below use
packages:
    .ci/run packages

# Formatting of Rust
format:
    .ci/run format

# shellcheck on every shell script
shell:
    .ci/run shell

# Security of the GitHub workflows
workflows:
    .ci/run workflows

# clippy, warnings are errors
lints:
    .ci/run lints

# Each crate by itself
crates:
    .ci/run crates

# Documentation of the crates
docs:
    .ci/run docs

# All tests
tests:
    .ci/run tests

# The documentation as a book
book:
    .ci/run book

# Images, checked
images:
    .ci/run images

# An image built twice is the same bytes
reproducible:
    .ci/run reproducible

# The demo on all machines
demo:
    .ci/run demo

# The demo without any right (as root)
nobody:
    .ci/run nobody

# Chart and manifests, offline
manifests:
    .ci/run manifests

# The suite on the real driver, in User Mode Linux
lab:
    .ci/run kernel lab

# Licences, bans and sources of dependencies
dependencies:
    .ci/run dependencies

# Advisories on dependencies (needs the network)
advisories:
    .ci/run advisories
