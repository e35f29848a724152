# Sourced by quickstart, test and torture (bash): keeps the repository's own .venv.
# Needs $root, the absolute path of the repository. Sets $venv and defines prepare_venv EXTRA.
# shellcheck shell=bash disable=SC2154

venv=$root/.venv

# The tests and examples are to see the installed package and nothing from the caller's own Python set-up.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP
export PYTHONNOUSERSITE=1 PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# Prints the path of a Python that can make the venv. Each candidate is run, not just looked up: a pyenv shim
# is on PATH for versions that are not active, and Debian's python3 may come without ensurepip.
find_python() {
    local candidate check='import sys, venv, ensurepip; assert sys.version_info >= (3, 11); print(sys.executable)'
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python; do
        "$candidate" -c "$check" 2>/dev/null </dev/null && return
    done
    die "no Python 3.11 or newer (with venv) answered to python3, python3.13, python3.12 or python3.11;" \
        "install one, or name it: PYTHON=/path/to/python3 ${0##*/}"
}

# Prints a hash of the files and folders named, and of where the venv is: console scripts hold its absolute path.
hash_of() {
    "$venv/bin/python" -I - "$venv" "$@" <<'PY'
import hashlib, pathlib, sys

digest = hashlib.sha256(f"{sys.version} {sys.argv[1]}".encode())
for top in map(pathlib.Path, sys.argv[2:]):
    for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(top.parent)} {len(content)} ".encode() + content)
print(digest.hexdigest())
PY
}

# unchanged STAMP HASH: whether the step that left STAMP was finished for the same HASH.
unchanged() { [ -f "$venv/$1" ] && [ "$(cat "$venv/$1")" = "$2" ]; }

# The stamp comes last: a step that was cut off is done again.
create_venv() {
    if [ -x "$venv/bin/python" ] && unchanged .stamp-venv "$venv"; then
        "$venv/bin/python" -I -c pass 2>/dev/null && return
    fi
    local python
    python=$(find_python) || exit 1
    say "making .venv with $python"
    "$python" -m venv --clear "$venv" || die "$python could not make $venv; see above"
    # pip 26 and later write console scripts that do not import `re`: each call of journaltune is 10 ms faster for it.
    pip_install --upgrade pip
    printf '%s\n' "$venv" >"$venv/.stamp-venv"
}

pip_install() {
    "$venv/bin/python" -m pip install -qq "$@" </dev/null ||
        die "pip could not install what journaltune needs; see above, and run ${0##*/} again"
}

# The package comes along here, so its own stamp is dropped: install_package decides afresh.
install_dependencies() {
    local extra=$1 now
    now=$(hash_of "$root/pyproject.toml")
    unchanged ".stamp-$extra" "$now" && return
    say "installing dependencies ($extra)"
    pip_install "hatchling>=1.27" "${root}[$extra]"
    rm -f "$venv/.stamp-package"
    printf '%s\n' "$now" >"$venv/.stamp-$extra"
}

# A regular install, never an editable one: the finder of an editable install costs every call 30 ms.
install_package() {
    local now
    now=$(hash_of "$root/journaltune" "$root/pyproject.toml" "$root/README.md" "$root/LICENSE")
    unchanged .stamp-package "$now" && return
    rm -f "$venv/.stamp-package"
    pip_install --no-deps --no-build-isolation --force-reinstall "$root"
    printf '%s\n' "$now" >"$venv/.stamp-package"
}

prepare_venv() {
    create_venv
    install_dependencies "$1"
    install_package
}
