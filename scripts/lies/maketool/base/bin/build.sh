#!/bin/sh
# build.sh [CONTENT [OUT]]: build the site.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
content=${1:-$root/content}
out=${2:-$root/out}
case $content in /*) ;; *) content=$PWD/$content ;; esac
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$root"
exec python3 -B -m mill "$content" "$out"
