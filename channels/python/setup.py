# SPDX-License-Identifier: MIT
"""The version is that of the C library; one wheel serves CPython 3.8 and later (stable ABI)."""
import os
import sys

from setuptools import setup

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from build_dhow import pkg_config  # noqa: E402 (the path is set one line above)

setup(version=pkg_config("--modversion")[0], cffi_modules=["build_dhow.py:ffi"],
      options={"bdist_wheel": {"py_limited_api": "cp38"}})
