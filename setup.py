"""Builds the C matching engine; pyproject.toml configures everything else.

The extension is optional: without a C compiler the installation succeeds and the numpy engine runs.
"""

from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("service/kato_service/search/native")

setup(
    ext_modules=[
        Extension(
            "kato_service.search._engine",
            sources=sorted(map(str, NATIVE.glob("*/*.c"))),
            depends=sorted(map(str, NATIVE.glob("*/*.h"))),
            include_dirs=[str(NATIVE)],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=["-std=c11", "-O3", "-ffp-contract=off"],
            libraries=["pthread"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
