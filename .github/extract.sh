#!/usr/bin/env bash
# One extract on a machine that has Python 3.11 or later with pip, and keeps nothing:
#
#   .github/extract.sh tap-hubspot-threads target-postgres
#
# It installs Meltano beside the project and becomes `meltano run` with the arguments
# that it was given, which installs the plugins that they name. Settings and secrets come
# from the environment; the state is kept where MELTANO_STATE_BACKEND_URI says.
set -euo pipefail
cd "$(dirname "$0")/.."

meltano=4.4.1
uv=0.13.9

# A state that goes with the machine would mean to extract everything every time.
: "${MELTANO_STATE_BACKEND_URI:?is not set: where to keep the state, such as s3://bucket/meltano}"
export MELTANO_ENVIRONMENT="${MELTANO_ENVIRONMENT:-prod}"

venv=".meltano/meltano-$meltano"
if [ ! -x "$venv/bin/meltano" ]; then
  # uv installs in seconds what takes pip a minute.
  python3 -m venv --without-pip "$venv"
  python3 -m pip --python "$venv" --disable-pip-version-check --quiet install "uv==$uv"
  "$venv/bin/uv" pip install --quiet --python "$venv" "meltano[s3]==$meltano" "uv==$uv"
fi

# Signals then reach Meltano itself, and its exit code is the job's.
exec "$venv/bin/meltano" run "$@"
