#!/bin/sh
# Runs every script in checks/ and fails if any of them does.
cd "$(dirname "$0")" || exit 1
PYTHONPATH=.
PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH PYTHONDONTWRITEBYTECODE

failed=0
for script in checks/check_*; do
    case $script in
        *.py) python3 "$script" ;;
        *.sh) sh "$script" ;;
        *) continue ;;
    esac
    if [ $? -ne 0 ]; then
        echo "FAILED: $script"
        failed=1
    fi
done
[ $failed -eq 0 ] && echo "all checks passed"
exit $failed
