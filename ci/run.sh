#!/bin/bash
# Continuous integration: every check of the tree.
#
# usage: ci/run.sh STEP...   deps fmt lint test doc optimised loom fuzz schemathesis system bench, each by itself
#        ci/run.sh all       all of them, two at a time; the last line is the sum of their tests
#
# `all` leaves each step's output in target/ci/STEP.log and ends what it started when interrupted. Made for two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(cargo metadata --no-deps --offline --format-version 1 | jq -r .target_directory)
logs=$target/ci

deps() { ci/deps; }

fmt() {
    cargo fmt --all --check
    [ ! -f fuzz/Cargo.toml ] || cargo fmt --manifest-path fuzz/Cargo.toml --check
}

lint() {
    local scripts
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
    mapfile -t scripts < <(grep -rlE '^#!/bin/(ba)?sh' scripts ci .ci tests packaging | sort)
    shellcheck -x "${scripts[@]}"
}

test() { cargo test --workspace --all-features --locked --no-fail-fast -- --show-output; }

doc() { RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --locked; }

# Built in a hurry: to walk all interleavings without optimisation takes ten seconds, to compile it with a minute.
loom() {
    compgen -G 'lb-core/tests/loom_*.rs' >/dev/null || { echo "skipped: lb-core/tests/loom_*.rs do not exist"; return; }
    RUSTFLAGS="--cfg loom" CARGO_PROFILE_DEV_DEBUG=0 cargo test --config 'profile.dev.package."*".opt-level=0' \
        -p lb-core --locked --test 'loom_*' --target-dir "$target/loom"
}

fuzz() { ci/fuzz "$target/fuzz" 20; }

schemathesis() { ci/schemathesis; }

system() { tests/system/run; }

# What bench measures, built while another lane still has tests.
optimised() { cargo build --release --locked -p lb-bench -p lb-dataplane; }

bench() {
    [ -x scripts/bench ] || { echo "skipped: scripts/bench does not exist"; return; }
    scripts/bench --quick
}

# limit STEP: seconds, after which it has failed.
limit() {
    case $1 in
    doc | loom | fuzz | schemathesis) echo 900 ;;
    lint | optimised) echo 1500 ;;
    test | system) echo 1800 ;;
    bench) echo 600 ;;
    *) echo 300 ;;
    esac
}

# one STEP: runs it, says how it went, writes its counts to STEP.count.
one() {
    local step=$1 status=0 begin=$SECONDS word="ok -"
    timeout -k 20 "$(limit "$step")" ci/run.sh "$step" </dev/null >"$logs/$step.log" 2>&1 &
    running=$!
    wait "$running" || status=$?
    awk -v status=$status -f ci/count.awk "$logs/$step.log" >"$logs/$step.count"
    [ $status = 0 ] || word="not ok -"
    echo "$word $step, $((SECONDS - begin)) s: $(<"$logs/$step.count")"
    grep '^skipped: ' "$logs/$step.log" || true
    [ $status = 0 ] || { echo "the end of $logs/$step.log:"; grep -E '^(not ok|error|warning: unused)' "$logs/$step.log" || true; tail -n 40 "$logs/$step.log"; }
}

lane() {
    local running="" step
    trap '[ -z "$running" ] || { kill "$running"; wait "$running"; } 2>/dev/null || true; exit 143' TERM HUP
    for step in "$@"; do one "$step"; done
}

all() {
    rm -rf "$logs"
    mkdir -p "$logs"
    # All is built once.
    export CARGO_INCREMENTAL=0
    trap 'kill $(jobs -p) 2>/dev/null || true; wait; exit 130' INT TERM HUP
    # In this order the system tests that want most of two CPUs are over when other tests begin, which poll as well.
    lane fmt lint doc test optimised &
    lane deps system loom fuzz schemathesis &
    wait
    # Alone: it measures.
    lane bench &
    wait
    awk '{ p += $1; f += $3; s += $5 } END { print p " passed, " f " failed, " s " skipped"; exit f > 0 }' "$logs"/*.count
}

[ $# -gt 0 ] || { sed -n '2,/^set /{/^# shellcheck/d;/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
for step in "$@"; do
    case $step in
    deps | fmt | lint | test | doc | optimised | loom | fuzz | schemathesis | system | bench | all) "$step" ;;
    *) echo "ci: there is no step $step" >&2; exit 2 ;;
    esac
done
