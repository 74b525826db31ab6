#!/usr/bin/env bash
# Measure labelling on a GPU, on a machine that has Python 3.12, torch, torchaudio, transformers and pyarrow:
#   benchmarks/gpu.sh [--wheels DIR] [--page FILE.md] [OPTION...]   install what is missing, then measure (--help)
#   benchmarks/gpu.sh --collect DIR      on a machine with network: download the wheels to carry along
#   benchmarks/gpu.sh --rehearse         all steps on the CPU, at toy size, in seconds
# PYTHON names another interpreter. What is installed goes to build/gpu-site, not into the interpreter's environment.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}
site=$root/build/gpu-site
export PYTHONPATH="$root:$site" PYTHONUNBUFFERED=1

largest_mib=64
# What the first need is small; the others need cffi and numpy. av, the largest, decodes MP3.
with_needs=("typer>=0.28" "joblib>=1.4" "threadpoolctl>=3.5" cffi)
alone=("soundfile>=0.13" "soxr>=0.5" "av>=14")

pip() { "$python" -m pip --disable-pip-version-check "$@"; }

download() {
    pip download --quiet --only-binary=:all: --python-version 3.12 --implementation cp \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --dest "$@"
}

collect() {
    mkdir -p "$1"
    download "$1" "${with_needs[@]}"
    download "$1" --no-deps "${alone[@]}"
    (cd "$1" && du -ab -- *.whl | sort -n)
    local bytes
    bytes=$(cd "$1" && cat -- *.whl | wc -c)
    echo "$bytes bytes in all"
    if ((bytes > largest_mib << 20)); then
        echo "error: more than $largest_mib MiB; remove what you can do without, av first" >&2
        exit 1
    fi
}

missing() { "$python" -P -m benchmarks.gpu.requirements "$@"; }

install_missing() {
    [[ -n $(missing) ]] || return 0
    local install=(install --quiet --no-compile --upgrade --target "$site")
    if [[ -n $wheels ]]; then
        pip "${install[@]}" --no-index --no-deps "$wheels"/*.whl
    elif [[ -n $(missing --required) ]]; then
        if pip "${install[@]}" "${with_needs[@]}"; then
            pip "${install[@]}" --no-deps "${alone[@]}" || true # what is still missing is listed below
        fi
    fi
    local lacking
    lacking=$(missing --required)
    if [[ -n $lacking ]]; then
        echo "error: missing: ${lacking//$'\n'/, }" >&2
        echo "Without network, collect wheels elsewhere (--collect DIR) and name their folder (--wheels DIR)." >&2
        exit 1
    fi
}

wheels=
rest=()
while (($#)); do
    case $1 in
    --collect)
        collect "${2:?a folder is missing}"
        exit
        ;;
    --wheels)
        wheels=${2:?a folder is missing}
        shift 2
        ;;
    *)
        rest+=("$1")
        shift
        ;;
    esac
done
install_missing
exec "$python" -P -m benchmarks.gpu "${rest[@]+"${rest[@]}"}"
