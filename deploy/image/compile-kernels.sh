#!/bin/sh
# compile-kernels.sh AML [FOLDER]: run a small bank with all rules and models through AML, so that numba leaves the machine
# code of the kernels in FOLDER, or beside their sources. It takes some minutes of processor time, once.
set -eu
aml=$1
[ $# -lt 2 ] || export NUMBA_CACHE_DIR="$2"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$aml" simulate --customers 150 --days 20 --seed 9 --format json --out bank --no-progress
"$aml" run bank/transactions.jsonl --profiles bank/profiles.jsonl --rates bank/rates.csv --entities bank/entities.yaml \
  --lists bank --approve-examples --models live --db bank.db --no-progress
[ $# -ge 2 ] || exit 0
kernels=$(find "$2" -name '*.nbc' | wc -l)
[ "$kernels" -gt 0 ] || { echo "No kernel was left in $2." >&2; exit 1; }
echo "$kernels kernels in $2"
