#!/bin/sh
# secrets.sh FOLDER: what deploy/make-secrets.sh made, as the secrets that the overlay "small" refers to.
#
#     sh deploy/make-secrets.sh deploy/secrets
#     sh deploy/kubernetes/secrets.sh deploy/secrets | kubectl apply --filename -
set -eu
folder=${1:?"usage: secrets.sh FOLDER"}

secret() {  # secret NAME KEY=FILE...
  name=$1
  shift
  for each; do
    set -- "$@" "--from-file=${each%%=*}=$folder/${each#*=}"
    shift
  done
  echo ---
  kubectl create secret generic "$name" --namespace aml --dry-run=client --output yaml "$@"
}

secret aml-token-key token_key=token_key
secret aml-redis-score url=redis_url_score
secret aml-redis-profiles url=redis_url_profiles
secret aml-redis-users redis_users=redis_users
secret aml-database url=database_url
secret aml-postgres password=postgres_password
