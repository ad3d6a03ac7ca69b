#!/usr/bin/env bash
# Does what the README tells a reader to do: starts the demo (which goes on where its last run ended), copies the
# five commands that it prints, runs its Python lines on the lake that is there then. Argument: a scratch folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$1
log="$work/readme.log"

setsid npm run --silent demo -- --exit-after 90 >"$log" 2>&1 &
demo=$!
# The whole process group: npm does not pass signals on to what it started.
end() { kill -TERM -- "-$demo" 2>/dev/null || true; wait "$demo" 2>/dev/null || true; }
trap end EXIT

commands_of() { sed -E $'s/\x1b\\[[0-9;]*m//g; s/^[[:space:]$>]+//' "$log" | grep -E '^(npx muara |curl )' || true; }
for _ in $(seq 60); do
  [ "$(commands_of | wc -l)" -ge 5 ] && break
  kill -0 "$demo" 2>/dev/null || break
  sleep 1
done
mapfile -t commands < <(commands_of)
if [ "${#commands[@]}" -lt 5 ]; then
  echo "the demo printed ${#commands[@]} commands, 5 are expected; its output:"
  cat "$log"
  exit 1
fi

for command in "${commands[@]}"; do
  echo "\$ $command"
  start=$(sed -E 's/^(npx muara [a-z-]+|curl).*/\1/' <<<"$command")
  grep -qF "\`$start" README.md || { echo "README.md does not show: $start"; exit 1; }
  status=0
  timeout 20 bash -c "$command" >"$work/out" 2>"$work/err" || status=$?
  [[ $status -eq 124 && $start == "npx muara tail" ]] && status=0 # it follows until it is stopped
  head -8 "$work/out"
  if [ "$status" -ne 0 ] || { [ ! -s "$work/out" ] && [ "$start" != curl ]; }; then
    echo "exit $status"
    cat "$work/err"
    exit 1
  fi
done

# The publishing example, on a server of its own: every line of the block that begins with TOKEN=.
end
setsid npm exec --silent -- node muara.js dev >"$work/dev.log" 2>&1 &
demo=$!
for _ in $(seq 60); do
  grep -q '^ready on' "$work/dev.log" && break
  sleep 1
done
awk '/^```sh$/ {on = 1; block = ""; next} /^```$/ {if (on && block ~ /^TOKEN=/) print block; on = 0} on {block = block $0 "\n"}' \
  README.md >"$work/publish.sh"
[ -s "$work/publish.sh" ] || { echo "README.md has no publishing example"; exit 1; }
bash -euo pipefail "$work/publish.sh" >"$work/out"
cat "$work/out"
grep -q '89.95' "$work/out" || { echo "the published event is not in the answer of muara sql"; exit 1; }

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check deltalake polars pyarrow
awk '/^```python$/ {on = 1; next} /^```$/ {on = 0} on' README.md >"$work/readme.py"
[ -s "$work/readme.py" ] || { echo "README.md has no Python lines"; exit 1; }
"$work/venv/bin/python" "$work/readme.py"
