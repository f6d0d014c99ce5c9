# Assertions for the shell checks; sourced, not run.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

fail() {
    echo "$0: $*"
    bad=1
}

has() { # FILE TEXT
    grep -qF -- "$2" "$1" || fail "$1 lacks: $2"
}

lacks() { # FILE TEXT
    if grep -qF -- "$2" "$1"; then fail "$1 contains: $2"; fi
}

page() { # NAME TITLE EXTRA-HEADER...
    name=$1
    title=$2
    shift 2
    mkdir -p "$tmp/content"
    {
        echo "---"
        echo "title: $title"
        for line in "$@"; do echo "$line"; done
        echo "---"
        echo "Text of $name."
    } >"$tmp/content/$name.md"
}

build() {
    sh bin/build.sh "$tmp/content" "$tmp/out" >"$tmp/log" 2>&1 || fail "build: $(cat "$tmp/log")"
}
