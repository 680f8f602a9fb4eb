"""The chart's plain files: its version, its schema, and the operator's own table of images."""

import json
import tomllib
from pathlib import Path
from typing import Any

from kato_operator.children import images
from support import yaml_text

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "kato"


def read(name: str) -> Any:
    return yaml_text.loaded((CHART / name).read_text(encoding="utf-8"))


def test_chart_and_images_have_the_projects_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    chart = read("Chart.yaml")
    assert chart["version"] == chart["appVersion"] == project["version"]


def test_every_value_has_a_default_and_a_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert schema["properties"].keys() - {"global"} == read("values.yaml").keys()
    for name, value in read("values.yaml").items():
        part = schema["properties"][name]
        if part.get("additionalProperties") is False and name != "defaultImages":
            assert part["properties"].keys() == (value or part["properties"]).keys(), name


def test_every_image_of_an_instance_can_be_replaced() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert schema["properties"]["defaultImages"]["properties"].keys() == images.table("1").keys()
