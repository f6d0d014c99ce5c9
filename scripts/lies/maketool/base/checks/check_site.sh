. checks/lib.sh

page one "One" "date: 2024-03-01" "tags: news"
page two "Two" "date: 2024-03-02" "tags: news, other"
page three "Three"
build
has "$tmp/log" "3 pages"
has "$tmp/out/one.html" "<h1>One</h1>"
has "$tmp/out/one.html" "<p>Text of one.</p>"
has "$tmp/out/one.html" '<a href="/tag-news.html">news</a>'
has "$tmp/out/index.html" '<a href="/three.html">Three</a>'
has "$tmp/out/tag-news.html" "One"
has "$tmp/out/tag-other.html" "Two"
lacks "$tmp/out/tag-other.html" "One"
has "$tmp/out/feed.xml" "<title>Two</title>"

page broken "Broken" "date: soon"
if sh bin/build.sh "$tmp/content" "$tmp/out2" >"$tmp/log" 2>&1; then
    fail "a bad date was accepted"
fi
has "$tmp/log" "broken.md: bad date"

exit $bad
