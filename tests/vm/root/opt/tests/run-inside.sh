#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The tests, run by the guest's tests.service; the word to choose them by comes with the archive.
exec >/dev/virtio-ports/output 2>&1
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 LC_ALL=C.UTF-8
word=$(cat word)
echo "booted in $(cut -d. -f1 /proc/uptime) s: $(uname -r)"
python3 -m pytest -v -rfExXsP --tb=short --durations=12 -p no:cacheprovider -o junit_family=xunit1 \
  --junitxml /tmp/junit.xml ${word:+-k "$word"}
cat /tmp/junit.xml >/dev/virtio-ports/junit
