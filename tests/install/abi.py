# SPDX-License-Identifier: MIT
"""abi.py SOURCE LIBRARY [--record] - is libdhow what programs were compiled against?

tests/install/abi.txt holds all that a compiled program knows: symbols with their version, calls,
sizes and offsets of public structs, values of enums and numbers. A line that is gone or has changed
breaks programs: that needs a new version in channels/src/dhow.map and a new SOVERSION. A line that
is new only needs to be recorded (--record), and a line in docs/CHANGELOG.md.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

source, library = sys.argv[1:3]
record = os.path.join(source, "tests", "install", "abi.txt")
headers = sorted(glob.glob(os.path.join(source, "channels", "include", "dhow", "*.h")))


def bare(path):
    """A header without comments and without what is for C++ only."""
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.DOTALL)
    return re.sub(r"#ifdef __cplusplus\n.*?#endif\n", "", text, flags=re.DOTALL)


def fields(body):
    """Names of the members of a struct."""
    for declaration in body.split(";"):
        pointer = re.search(r"\(\*(\w+)\)\(", declaration)
        if pointer:
            yield pointer.group(1)
            continue
        for part in declaration.split(","):
            name = re.search(r"(\w+)\s*(\[[^]]*\])?\s*$", part)
            if name:
                yield name.group(1)


def calls(text):
    for prototype in re.findall(r"^(?:\w[\w \t]*[ *])?dhow_\w+\([^;{]*\);", text, re.MULTILINE):
        yield "call " + re.sub(r"\s+", " ", prototype)


def program(texts):
    """C that prints what only the compiler knows."""
    lines = []
    for text in texts:
        for name, body in re.findall(r"^struct (dhow_\w+) \{(.*?)^\};", text, re.M | re.S):
            lines.append(f'printf("struct {name} %zu bytes\\n", sizeof(struct {name}));')
            for field in fields(body):
                place = f"struct {name}, {field}"
                lines.append(f'printf("struct {name} %zu {field} %zu\\n", offsetof({place}), '
                             f"sizeof(((struct {name} *)0)->{field}));")
        for body in re.findall(r"enum dhow_\w+ \{(.*?)\}", text, re.DOTALL):
            for name in re.findall(r"\bDHOW_\w+", re.sub(r"=[^,]*", "", body)):
                lines.append(f'printf("value {name} %lld\\n", (long long){name});')
        for name in re.findall(r"^#define (DHOW_\w+) \(?(?:UINT64_C\()?\d", text, re.MULTILINE):
            lines.append(f'printf("value {name} %lld\\n", (long long){name});')
    return ("#include <stdio.h>\n#include <stddef.h>\n#include <dhow/dhow.h>\n"
            "#include <dhow/node.h>\nint main(void) {\n" + "\n".join(lines) + "\nreturn 0; }\n")


def find():
    texts = [bare(path) for path in headers]
    lines = [line for text in texts for line in calls(text)]
    symbols = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    lines += ["symbol " + name for name in re.findall(r" T (dhow_\S+)", symbols)]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "abi")
        subprocess.run([os.environ.get("CC", "cc"), "-x", "c", "-", "-o", path,
                        "-I" + os.path.join(source, "channels", "include")], check=True, text=True,
                       input=program(texts))
        lines += subprocess.run([path], check=True, text=True,
                                stdout=subprocess.PIPE).stdout.splitlines()
    return sorted(set(lines))


found = find()
if "--record" in sys.argv:
    with open(record, "w", encoding="utf-8") as out:
        out.write("\n".join(found) + "\n")
with open(record, encoding="utf-8") as was:
    recorded = was.read().splitlines()
gone, new = sorted(set(recorded) - set(found)), sorted(set(found) - set(recorded))
for line in gone:
    print(f"abi: gone or changed: {line}")
for line in new:
    print(f"abi: new: {line}")
if gone or new:
    print(f"abi: {len(gone)} lines break programs, {len(new)} are new; see the head of "
          "tests/install/abi.py")
print(f"abi: {len(recorded)} lines compared")
sys.exit(bool(gone or new))
