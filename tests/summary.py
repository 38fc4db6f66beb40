# SPDX-License-Identifier: GPL-2.0-or-later
"""summary.py DIRECTORY: adds up the JUnit files there, names what failed, ends with one plain line."""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

passed = failed = skipped = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.xml")):
    cases = list(ElementTree.parse(path).iter("testcase"))
    if not cases:
        print(f"{path.stem}: ran no test")
        failed += 1
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            print(f"FAILED {path.stem}: {case.get('classname')} {case.get('name')}")
            failed += 1
        elif (skip := case.find("skipped")) is not None and skip.get("type") == "pytest.xfail":
            # a known fault with a test that waits for its mending: neither passed nor skipped
            print(f"KNOWN FAULT {path.stem}: {case.get('name')}: {skip.get('message')}")
        elif skip is not None:
            print(f"SKIPPED {path.stem}: {case.get('name')}: {skip.get('message')}")
            skipped += 1
        else:
            passed += 1
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(1 if failed or not passed else 0)
