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

# Prints what the package and one of its extras need, one requirement a line. pip can't install these without the package
# itself, of which it would first remove the version that is there.
requirements_of() {
    "$venv/bin/python" -I - "$root/pyproject.toml" "$1" <<'PY'
import re, sys, tomllib

project = tomllib.load(open(sys.argv[1], "rb"))["project"]
own = re.compile(rf"{project['name']}\[(.*)\]")


def expanded(requirement):
    extras = own.fullmatch(requirement)
    return sum((listed(extra) for extra in extras[1].split(",")), []) if extras else [requirement]


def listed(extra):
    return sum(map(expanded, project["optional-dependencies"][extra.strip()]), [])


print(*project["dependencies"], *listed(sys.argv[2]), sep="\n")
PY
}

install_dependencies() {
    local extra=$1 now requirements
    now=$(hash_of "$root/pyproject.toml")
    unchanged ".stamp-$extra" "$now" && return
    say "installing dependencies ($extra)"
    requirements=$(requirements_of "$extra") || die "could not read $root/pyproject.toml; see above"
    mapfile -t requirements <<<"$requirements"
    pip_install "hatchling>=1.27" "${requirements[@]}"
    printf '%s\n' "$now" >"$venv/.stamp-$extra"
}

# Each version of the package has a folder of its own, and a .pth file says which one holds. A loop that runs meanwhile finds the
# old version or the new one, never none: pip would remove the old one first. It is a regular install, not an editable one, whose
# finder costs every call 30 ms.
install_package() {
    local now tree site new
    now=$(hash_of "$root/journaltune" "$root/pyproject.toml" "$root/README.md" "$root/LICENSE")
    tree=$venv/versions/$now
    site=$("$venv/bin/python" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))') || die "$venv is broken; remove it"
    unchanged .stamp-package "$now" && [ -d "$tree" ] && [ ! -d "$site/journaltune" ] && return
    rm -f "$venv/.stamp-package"
    if [ ! -d "$tree" ]; then
        new=$tree.$$
        pip_install --no-deps --no-build-isolation --no-compile --target "$new" "$root"
        "$venv/bin/python" -I -m compileall -q -s "$new" -p "$tree" "$new" || die "could not compile $root/journaltune"
        mv -T -- "$new" "$tree" || [ -d "$tree" ] # by another script that came first
    fi
    put_in_place "$tree" "$site"
    printf '%s\n' "$now" >"$venv/.stamp-package"
}

# put_in_place TREE SITE: from now on, this version is the one that is imported and called.
put_in_place() {
    local tree=$1 site=$2
    printf '%s\n' "$tree" >"$site/journaltune.pth.new"
    mv -f -- "$site/journaltune.pth.new" "$site/journaltune.pth"
    cp -- "$tree/bin/journaltune" "$venv/bin/.journaltune.new"
    mv -f -- "$venv/bin/.journaltune.new" "$venv/bin/journaltune"
    if [ -d "$site/journaltune" ]; then # of a `pip install` by hand, which would hide this version
        rm -rf "$venv/versions/.hidden"
        mv -- "$site/journaltune" "$venv/versions/.hidden"
        rm -rf "$venv/versions/.hidden" "$site"/journaltune-*.dist-info
    fi
    remove_old_versions "$tree"
}

# Keeps this version and the two before it, from which programs may still run.
remove_old_versions() {
    local old kept=0
    touch -- "$1"
    ls -td -- "$venv"/versions/*/ | while IFS= read -r old; do
        kept=$((kept + 1))
        [ "$kept" -le 3 ] || rm -rf -- "$old"
    done
}

prepare_venv() {
    create_venv
    install_dependencies "$1"
    install_package
}
