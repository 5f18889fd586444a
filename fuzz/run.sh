#!/usr/bin/env bash
# Runs the fuzz targets for a while each, and says what came of it: fuzz/run.sh SECONDS [TARGET...]
#
# Works with a stable compiler: no sanitizer, which has little to find in a crate that forbids unsafe code. What is
# found lies in fuzz/artifacts/TARGET; fuzz/corpus keeps what was learned for the next run.
set -euo pipefail
# What the targets print need not be text.
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"

CARGO_FUZZ=0.13.2
# An input that takes longer than this, or more memory, is a finding. The time is one that a machine at rest may lose.
TIMEOUT_SECONDS=60
MEMORY_MB=1024
LONGEST_INPUT=4096

seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
cargo=${CARGO:-cargo}
target_dir=${CARGO_TARGET_DIR:-$PWD/../target}/fuzz

say() { printf '\n==> %s\n' "$1" >&2; }

known=()
for file in fuzz_targets/*.rs; do
    known+=("$(basename "$file" .rs)")
done
targets=("${@:-${known[@]}}")
for target in "${targets[@]}"; do
    [[ -e fuzz_targets/$target.rs ]] || { echo "no target $target; there are: ${known[*]}" >&2; exit 2; }
done

command -v cargo-fuzz >/dev/null || {
    say "installing cargo-fuzz $CARGO_FUZZ (a minute)"
    "$cargo" install cargo-fuzz --version "$CARGO_FUZZ" --locked
}

say 'building the fuzz targets (a minute or two the first time)'
"$cargo" fuzz build -s none --fuzz-dir . --target-dir "$target_dir"

say 'adding what was captured from servers to the corpus'
programs=("$target_dir"/*/release/seeds)
"${programs[0]}"

# The words a target's input is made of.
dictionary() {
    case $1 in
        test_decoding* | encode_json) echo test_decoding.dict ;;
        conninfo) echo conninfo.dict ;;
        *) echo protocol.dict ;;
    esac
}

# Choices are made from all bytes of an input: short ones are no simpler than long ones.
growth() {
    case $1 in
        encode_json | test_decoding_roundtrip) echo -len_control=0 ;;
        *) echo -len_control=100 ;;
    esac
}

# One of the numbers at the end of libFuzzer's output.
statistic() { sed -n "s/^stat::$1: *//p" "$log"; }

failed=()
table=$(printf '%-24s %12s %8s %17s  %s' target executions exec/s coverage findings)
for target in "${targets[@]}"; do
    say "fuzzing $target for $seconds s"
    mkdir -p "corpus/$target" "artifacts/$target" "seeds/$target"
    log=artifacts/$target.log
    before=$(ls "artifacts/$target")
    status=0
    "$cargo" fuzz run -s none --fuzz-dir . --target-dir "$target_dir" "$target" "corpus/$target" "seeds/$target" -- \
        -dict="$(dictionary "$target")" "$(growth "$target")" -max_total_time="$seconds" -max_len="$LONGEST_INPUT" \
        -timeout="$TIMEOUT_SECONDS" -rss_limit_mb="$MEMORY_MB" -print_final_stats=1 >"$log" 2>&1 || status=$?
    found=$(comm -13 <(echo "$before") <(ls "artifacts/$target") | grep -v '^slow-unit' || true)
    start=$(sed -n '/INITED cov:/ { s/.*INITED cov: \([0-9]*\).*/\1/p; q }' "$log")
    end=$(sed -n 's/^#.*cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
    table+=$'\n'$(printf '%-24s %12s %8s %17s  %s' "$target" \
        "$(statistic number_of_executed_units)" "$(statistic average_exec_per_sec)" \
        "${start:-?} -> ${end:-?}" "${found:-none}")
    if [[ $status != 0 || -n $found ]]; then
        failed+=("$target")
        grep -a -A 12 -m 1 -E 'panicked at|ERROR: libFuzzer|^error' "$log" | cut -c 1-400 >&2 || tail -n 20 "$log" >&2
        for name in $found; do
            printf 'found: %s\nagain: cargo fuzz run -s none %s %s\n' \
                "$PWD/artifacts/$target/$name" "$target" "fuzz/artifacts/$target/$name" >&2
        done
        echo "log: $PWD/$log" >&2
    fi
done

printf '\n%s\n' "$table"
if [[ ${#failed[@]} != 0 ]]; then
    echo "fuzz: failed: ${failed[*]}" >&2
    exit 1
fi
