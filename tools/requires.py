"""Print what pyproject.toml requires for the extras named to it; `build` is its build backend."""

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

table = tomllib.loads(Path("pyproject.toml").read_text())
groups = table["project"]["optional-dependencies"] | {"build": table["build-system"]["requires"]}
for name in sys.argv[1:]:
    print(*groups[name], sep="\n")
