#!/usr/bin/env bash
# Does each sabotage of the code turn its test red? A copy of the tree is sabotaged, never the tree itself.
#
#   tests/sabotage/run.sh --check           do all patches apply?
#   tests/sabotage/run.sh                   build the tree once for each sabotage, and run its test
#   tests/sabotage/run.sh 01 08+11+14 ...   only these; joined by + they are built together
#
# CARGO_TARGET_DIR, when set, is where the copies are built. Prints a row of a table for each sabotage; ends with 1
# when one went unnoticed or did not build.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
patch() { (cd "$copy" && GIT_CEILING_DIRECTORIES="$copy/.." git apply "$@"); }

if [[ ${1:-} == --check ]]; then
    tar -C "$root" -cf - api/src cli/src ledger/src projections/src | tar -C "$copy" -xf -
    failed=0
    for file in "$here"/*.patch; do
        patch --check "$file" || { echo "does not apply: $(basename "$file")"; failed=1; }
    done
    exit "$failed"
fi

tar -C "$root" -cf - --exclude ./target --exclude ./.git . | tar -C "$copy" -xf -
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$copy/target}
groups=("$@")
[[ $# -gt 0 ]] || groups=($(cd "$here" && ls *.patch | cut -c1-2))

failed=0
for group in "${groups[@]}"; do
    files=()
    for number in ${group//+/ }; do files+=("$here/$number"-*.patch); done
    for file in "${files[@]}"; do patch "$file"; done
    built=yes
    (cd "$copy" && cargo test --test main --test allocations --no-run) >"$copy/built" 2>&1 || built=no
    for file in "${files[@]}"; do
        named=$(sed -n 's/^Red: //p' "$file")
        # What is counted has a binary of its own; all else is in one.
        source=main.rs
        [[ $named != allocations::* ]] || source=counting.rs
        test=${named#allocations::}
        binary=$(sed -n "s/.*Executable.*$source (\(.*\))$/\1/p" "$copy/built")
        [[ $binary == /* ]] || binary=$copy/$binary
        if [[ $built == no ]]; then
            red="does not build"
            tail -n 20 "$copy/built" >&2
        elif (cd "$copy/cli" && timeout 600 "$binary" --exact "$test") >"$copy/log" 2>&1; then
            red="**no**"
        elif grep -q "^test $test ... FAILED" "$copy/log"; then
            red=yes
        else
            red="no result"
            tail -n 20 "$copy/log" >&2
        fi
        [[ $red == yes ]] || failed=1
        echo "| $(basename "$file" .patch) | $(sed -n 's/^Sabotage: //p' "$file") | \`$named\` | $red |"
    done
    for file in "${files[@]}"; do patch -R "$file"; done
done
exit "$failed"
