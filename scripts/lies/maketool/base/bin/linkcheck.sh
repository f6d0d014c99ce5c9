#!/bin/sh
# linkcheck.sh [OUT]: report internal links of a built site that lead nowhere.
out=${1:-out}
if [ ! -d "$out" ]; then
    echo "linkcheck: no directory $out" >&2
    exit 2
fi
broken=0
find "$out" -name '*.html' | sort | while read -r page; do
    grep -o 'href="/[^"#]*' "$page" | sed 's/^href="//' | sort -u | while read -r link; do
        case $link in
            */) target=$out${link}index.html ;;
            *) target=$out$link ;;
        esac
        if [ ! -f "$target" ]; then
            echo "$page: $link"
            broken=1
        fi
    done
done
exit $broken
