# SPDX-License-Identifier: MIT
"""docs_test.py SOURCE BUILD WORK [DOCUMENT...] - runs what README.md and docs/ show.

A fenced block says behind its language what it is:
    ```c file=NAME      (also python, sh, cmake) a file of the reader's folder, with this content
    ```c from=PATH      a part of docs/PATH, line by line
    ```sh run           commands, run with `bash -e` in that folder, Dhow being installed
    ```text expect      each line is in the output of the last run; `...` stands for anything
    ```LANG norun       is not run; the next words say why
A block of c, python, sh or cmake without one of these is an error. Commands that are only shown
(indented lines, and between backquotes) are held to the programs' own options: dlaunch by
--dry-run, others by --help.
"""
import os
import re
import shlex
import shutil
import subprocess
import sys

source, build, work = (os.path.abspath(path) for path in sys.argv[1:4])
documents = sys.argv[4:] or ["README.md"] + sorted(
    os.path.join("docs", name) for name in os.listdir(os.path.join(source, "docs"))
    if name.endswith(".md"))
languages = {"c", "cpp", "python", "sh", "cmake"}
failures = []
counts = {"files": 0, "runs": 0, "lines": 0, "shown": 0}


def fail(place, text):
    failures.append(f"{place}: {text}")


def blocks(path):
    """(line number, info words, text) of each fenced block; (number, None, text) of shown lines,
    (number, ["inline"], text) of what stands between backquotes."""
    inside, start, info = None, 0, []
    with open(os.path.join(source, path), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith("```"):
                if inside is None:
                    inside, start, info = [], number, line[3:].split()
                else:
                    yield start, info, "".join(inside)
                    inside = None
            elif inside is not None:
                inside.append(line)
            elif line.startswith("    "):
                yield number, None, line.strip()
            else:
                yield from ((number, ["inline"], code) for code in re.findall(r"`([^`]+)`", line))
    if inside is not None:
        fail(f"{path}:{start}", "the block has no end")


def execute(arguments, folder, limit=120):
    return subprocess.run(arguments, cwd=folder, stdin=subprocess.DEVNULL, timeout=limit,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)


def install():
    """An installed Dhow below WORK, found as a user finds it: PATH, pkg-config, cmake, python3."""
    prefix, tools = os.path.join(work, "prefix"), os.path.join(work, "tools")
    subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True,
                   stdout=subprocess.DEVNULL)
    os.makedirs(tools)
    python, site = sys.executable, os.path.join(build, "python", "site")
    if os.path.isdir(site):
        with open(os.path.join(build, "python", "interpreter"), encoding="utf-8") as file:
            python = file.read().strip()
        python = shutil.which(python) or python
    with open(os.path.join(tools, "python3"), "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec env PYTHONPATH={site} {python} "$@"\n')
    os.chmod(file.name, 0o755)
    for folder, _, files in os.walk(prefix):
        if "dhow.pc" in files:
            os.environ["PKG_CONFIG_PATH"] = folder
        if "libdhow.so" in files:
            os.environ["LD_LIBRARY_PATH"] = folder
    os.environ["CMAKE_PREFIX_PATH"] = prefix
    os.environ["DHOW_BUILD"] = build  # for bench/compare
    os.environ["DHOW_DOCS"] = os.path.join(source, "docs")
    os.environ["PATH"] = os.pathsep.join([tools, os.path.join(prefix, "bin"), os.environ["PATH"]])


def expect(place, text, output):
    for line in text.splitlines():
        pattern = ".*".join(re.escape(part) for part in line.strip().split("..."))
        counts["lines"] += 1
        if line.strip() and not re.search(f"^{pattern}$", output, re.MULTILINE):
            fail(place, f"'{line}' is not in the output:\n{output[:2000]}")


def run_document(path):
    folder = os.path.join(work, re.sub(r"\W", "_", path))
    os.makedirs(folder)
    output = ""
    for number, info, text in blocks(path):
        place, kind = f"{path}:{number}", info[1] if info and len(info) > 1 else ""
        if info is None:
            show(place, text)
        elif info == ["inline"]:
            show(place, text, whole=False)
        elif kind.startswith("file="):
            counts["files"] += 1
            with open(os.path.join(folder, os.path.basename(kind[5:])), "w",
                      encoding="utf-8") as file:
                file.write(text)
        elif kind.startswith("from="):
            counts["files"] += 1
            with open(os.path.join(source, "docs", kind[5:]), encoding="utf-8") as file:
                if "\n" + text not in "\n" + file.read():
                    fail(place, f"this is not a part of docs/{kind[5:]}")
        elif kind == "run":
            counts["runs"] += 1
            if "python3" in text and not os.path.isdir(os.path.join(build, "python", "site")):
                print(f"{place}: not run: the Python package is not built (see python_wheel)")
                output = None
                continue
            done = execute(["bash", "-e", "-c", text], folder)
            output = done.stdout
            if done.returncode:
                fail(place, f"exit {done.returncode} of\n{text}{output[-3000:]}")
            for line in text.splitlines():
                show(place, line)
        elif kind == "expect":
            if output is not None:
                expect(place, text, output)
        elif info and info[0] in languages and not (kind == "norun" and len(info) > 2):
            fail(place, "say what to do with it: file=, from=, run, or norun and why")


commands = ("dlaunch", "build/bin/dlaunch", "dhow")
scripts = ("bench/compare", "bench/uring", "bench/peers/run", "tests/run.sh")  # of the sources
daemons = ("dlaunch", "build/bin/dlaunch", "build/bench/transport", "bench/uring", "bench/compare")
helps = {}


def help_of(*program):
    if program not in helps:
        front = ["bash"] if program[0].endswith(".sh") else []
        done = execute([*front, *program, "--help"], work)
        helps[program] = done.stdout
    return helps[program]


def show(place, line, whole=True):
    """A line that is shown: are its options those of the program? It may be a mere part of one."""
    for part in re.split(r"\s+(?:#|;|\||&&|\|\|)\s?", line):
        try:
            words = shlex.split(part)
        except ValueError:
            continue
        while words and re.match(r"^[A-Z_]+=", words[0]):
            words = words[1:]
        if words[:1] == ["chrt"] and any(word in daemons for word in words):
            fail(place, f"'{part.strip()}': what starts daemons may not be run by chrt "
                 "(bench/README.md)")
        if words[:1] == ["bash"]:
            words = words[1:]
        # The rest of a line counts only behind a command: a table is none.
        if not words or not (words[0] in (*commands, *scripts) or
                             words[0].startswith("build/bench/")):
            return
        if len(words) < 2 or any(word in ("...", "[...]") for word in words):
            continue
        if whole and words[0] in ("dlaunch", "build/bin/dlaunch"):
            counts["shown"] += 1
            done = execute([os.path.join(build, "bin", "dlaunch"), "--dry-run", *words[1:]], work)
            if done.returncode == 2:
                fail(place, f"'{part.strip()}':\n{done.stdout}")
        elif words[0] == "dhow":
            counts["shown"] += 1
            if not re.search(rf"\b{re.escape(words[1])}\b", help_of(f"{build}/bin/dhow")):
                fail(place, f"'{part.strip()}': dhow --help has no '{words[1]}'")
        else:
            counts["shown"] += 1
            program = os.path.join(source, words[0])
            if words[0] not in scripts:
                folder = "bench" if words[0].startswith("build/bench/") else "bin"
                program = os.path.join(build, folder, os.path.basename(words[0]))
            if not os.access(program, os.R_OK):
                fail(place, f"'{part.strip()}': there is no {words[0]}")
                continue
            for word in words[1:]:
                if "/" in word and words[0] == "dlaunch":
                    break  # the options behind are the program's
                option = word.split("=")[0]
                if option.startswith("--") and not re.search(
                        rf"{re.escape(option)}\b", help_of(program)):
                    fail(place, f"'{part.strip()}': {words[0]} has no {option}")


shutil.rmtree(work, ignore_errors=True)
os.makedirs(work)
install()
for document in documents:
    run_document(document)
shutil.rmtree(work, ignore_errors=True)
print("\n".join(failures))
print(f"docs_test: {len(documents)} documents: {counts['files']} files, {counts['runs']} runs, "
      f"{counts['lines']} lines of output, {counts['shown']} commands that are only shown; "
      f"{len(failures)} failures")
sys.exit(bool(failures))
