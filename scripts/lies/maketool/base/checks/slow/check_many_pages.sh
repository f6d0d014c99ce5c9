. checks/lib.sh

number=1
while [ $number -le 60 ]; do
    page "p$number" "Same title" "tags: all"
    number=$((number + 1))
done
build
has "$tmp/log" "60 pages"
[ "$(grep -c 'same-title' "$tmp/out/tag-all.html")" -eq 60 ] || fail "links are missing"
[ -f "$tmp/out/same-title-60.html" ] || fail "no page for the 60th"

exit $bad
