. checks/lib.sh

mkdir -p "$tmp/out"
echo '<a href="/gone.html">Gone</a>' >"$tmp/out/index.html"
sh bin/linkcheck.sh "$tmp/out" >"$tmp/log"
status=$?
has "$tmp/log" "index.html: /gone.html"
[ $status -eq 1 ] || fail "a broken link, but status $status"

exit $bad
