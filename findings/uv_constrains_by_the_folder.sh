#!/usr/bin/env bash
# uv installs a lock file with hashes in one folder and refuses it in another: it reads the pyproject.toml of the folder.
#
# Guess: `uv pip install --require-hashes -r FILE` depends on the file alone, as `pip install` does.
# Seen with uv 0.13.9: in a folder whose pyproject.toml has `tool.uv.constraint-dependencies` without an exact version, the
# command fails ("must have their versions pinned"). In any other folder the same file is installed.
# It would hurt: an image builds in a clean folder, and the same line fails in the checkout, or the other way round.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet uv==0.13.9
venv/bin/pip download --quiet --no-deps --no-binary :none: --dest wheels six==1.17.0
hash=$(sha256sum wheels/six-1.17.0-py2.py3-none-any.whl | cut -d ' ' -f 1)
mkdir checkout elsewhere
printf 'six==1.17.0 --hash=sha256:%s\n' "$hash" > lock.txt
cat > checkout/pyproject.toml <<'TOML'
[project]
name = "finding"
version = "1"

[tool.uv]
constraint-dependencies = ["python-dateutil<3"]
TOML
for place in checkout elsewhere; do
    venv/bin/uv --quiet venv "env-$place"
    if (cd "$place" && ../venv/bin/uv --quiet pip install --python "../env-$place" --require-hashes \
        --find-links ../wheels --no-index -r ../lock.txt) 2> "errors-$place"; then
        echo "$place: installed"
    elif grep -q 'must have their versions pinned' "errors-$place"; then
        echo "$place: must have their versions pinned"
    else
        cat "errors-$place"
    fi
done | tee seen
printf '%s\n' 'checkout: must have their versions pinned' 'elsewhere: installed' > expected
if ! diff expected seen; then
    echo "uv behaves otherwise now"
    exit 1
fi
echo "as described"
