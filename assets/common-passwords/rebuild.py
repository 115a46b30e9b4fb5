#!/usr/bin/env python3
"""Makes common-passwords.txt anew: rebuild.py PASSWORDS.JSON COMMON-PASSWORDS.TXT.GZ (README.md says what they are)."""

import gzip
import json
import pathlib
import sys

# Policy `basic` takes nothing shorter, so a shorter entry could refuse nothing.
LEAST_CHARACTERS = 8

found = set(json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8")))
found |= set(gzip.decompress(pathlib.Path(sys.argv[2]).read_bytes()).decode("utf-8").splitlines())
kept = {entry.strip().lower() for entry in found}
# What is not ASCII in the lists is the remains of a wrong decoding.
kept = sorted(entry for entry in kept if len(entry) >= LEAST_CHARACTERS and entry.isascii() and entry.isprintable())
pathlib.Path(__file__).with_name("common-passwords.txt").write_text("".join(f"{entry}\n" for entry in kept), "utf-8")
