"""The extension; what else there is to say stands in pyproject.toml."""

from pybind11.setup_helpers import Pybind11Extension
from setuptools import setup

setup(ext_modules=[Pybind11Extension("fastscore._core", ["src/fastscore/_core.cpp"], cxx_std=11)])
