# Recipes for a working copy; each is one line that works without `just`. CONTRIBUTING.md says when to use which.

# List the recipes.
default:
    @just --list

# Check formatting and lints of Rust, shell and Python.
check:
    .ci/run check

# Run the Rust tests; arguments are passed to cargo.
test *ARGUMENTS:
    cargo test --no-fail-fast {{ARGUMENTS}}

# Run the end-to-end tests, or parts of them: docker aws gcp azure kubernetes collector entrypoint clients.
e2e *PARTS="e2e":
    .ci/run {{PARTS}}

# Regenerate what follows from versions.env and the templates: copies of versions, deploy/, snapshots.
accept:
    .ci/regenerate

# Everything that CI runs.
all:
    .ci/run
