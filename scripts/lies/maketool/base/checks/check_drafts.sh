. checks/lib.sh

page ready "Ready" "date: 2024-03-01" "tags: news"
page later "Later" "date: 2024-03-02" "tags: news" "draft: true"
build
has "$tmp/log" "1 pages"
[ -e "$tmp/out/later.html" ] && fail "a draft has a page"
lacks "$tmp/out/index.html" "Later"
has "$tmp/out/feed.xml" "Ready"
lacks "$tmp/out/feed.xml" "Later"

exit $bad
