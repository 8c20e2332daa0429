#!/bin/sh
# make-secrets.sh FOLDER: the secrets of a system on one machine, made once. What is there is never changed: payments and
# cases that exist can only be matched with the token key that they were written with.
#
# The folder can be entered by its owner only. The files in it can be read by all, since Docker mounts single files into
# containers whose users are others.
set -eu
umask 022
folder=${1:?"usage: make-secrets.sh FOLDER"}
mkdir -p "$folder"
chmod 0700 "$folder"

random() { od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n'; }  # 64 hexadecimal digits
digest() { printf %s "$1" | if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1; }
keep() {  # keep NAME TEXT: write a file that is not there yet, whole or not at all
  [ -e "$folder/$1" ] && return
  printf '%s\n' "$2" >"$folder/$1.partial"
  mv "$folder/$1.partial" "$folder/$1"
  echo "made $folder/$1"
}
held() { cat "$folder/$1"; }

keep token_key "$(random)"
keep postgres_password "$(random)"
keep grafana_password "$(random)"
keep redis_score_password "$(random)"
keep redis_profiles_password "$(random)"

# Made of the passwords, so they follow them.
keep database_url "postgresql://aml:$(held postgres_password)@postgres:5432/aml"
keep redis_url_score "redis://score:$(held redis_score_password)@redis:6379/0"
keep redis_url_profiles "redis://profiles:$(held redis_profiles_password)@redis:6379/0"
here=$(dirname "$0")
keep redis_users "$(sed -e "s/{score}/#$(digest "$(held redis_score_password)")/" \
  -e "s/{profiles}/#$(digest "$(held redis_profiles_password)")/" "$here/redis/users.acl")"
