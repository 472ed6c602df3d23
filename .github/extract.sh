#!/usr/bin/env bash
# Runs one extract on a machine that has Python 3.11 or later with pip, and keeps nothing:
#
#   .github/extract.sh tap-hubspot-threads target-postgres
#
# It installs Meltano next to the project, then runs `meltano run` with the given
# arguments, which installs the plugins that they name. Settings and secrets come from the
# environment. MELTANO_STATE_BACKEND_URI says where the state is stored.
set -euo pipefail
cd "$(dirname "$0")/.."

meltano=4.4.1
uv=0.13.9

# If the state were lost with the machine, each run would extract everything.
: "${MELTANO_STATE_BACKEND_URI:?is not set: where to keep the state, such as s3://bucket/meltano}"
export MELTANO_ENVIRONMENT="${MELTANO_ENVIRONMENT:-prod}"

venv=".meltano/meltano-$meltano"
if [ ! -x "$venv/bin/meltano" ]; then
  # uv installs in seconds what takes pip a minute.
  python3 -m venv --without-pip "$venv"
  python3 -m pip --python "$venv" --disable-pip-version-check --quiet install "uv==$uv"
  "$venv/bin/uv" pip install --quiet --python "$venv" "meltano[s3]==$meltano" "uv==$uv"
fi

# Signals reach Meltano directly, and its exit code becomes the job's.
exec "$venv/bin/meltano" run "$@"
