"""The pre-push hook: what git tells it, what a push adds, and how it gets into a repository and out again."""

SKIP = "git push --no-verify"
