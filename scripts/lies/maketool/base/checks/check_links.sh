. checks/lib.sh

mkdir -p "$tmp/out"
echo '<a href="/">Home</a> <a href="/a.html#top">A</a>' >"$tmp/out/index.html"
echo '<a href="https://example.org/x">X</a>' >"$tmp/out/a.html"
sh bin/linkcheck.sh "$tmp/out" >"$tmp/log" || fail "good links were refused"
[ -s "$tmp/log" ] && fail "good links were reported"

echo '<a href="/gone.html">Gone</a>' >>"$tmp/out/a.html"
sh bin/linkcheck.sh "$tmp/out" >"$tmp/log"
has "$tmp/log" "a.html: /gone.html"

sh bin/linkcheck.sh "$tmp/none" 2>/dev/null && fail "a missing directory was accepted"

exit $bad
