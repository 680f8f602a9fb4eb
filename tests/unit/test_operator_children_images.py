"""Which image runs where: the spec, the chart's table, the built-in table."""

from typing import Any

import pytest

from kato_operator.children import Facts, images
from kato_operator.crd.instance import parse

DIGEST = "sha256:" + "ab12" * 16

MINIMAL = parse({"metadata": {"name": "prod", "namespace": "kato"}})


def chosen(image: dict[str, Any], default: str) -> images.ChosenImage:
    meta = {"name": "prod", "namespace": "kato"}
    instance = parse({"metadata": meta, "spec": {"service": {"image": image}}})
    return images.of_service(instance, Facts({"service": default}, {}, {}, "1.2.3"))


@pytest.mark.parametrize(
    ("image", "default", "reference", "version"),
    [
        pytest.param({}, "a/b:1", "a/b:1", "1", id="all from the table"),
        pytest.param({}, "host:5000/b", "host:5000/b", "", id="a port is no tag"),
        pytest.param({}, f"a/b:1@{DIGEST}", f"a/b@{DIGEST}", "1", id="a table with digests"),
        pytest.param({"repository": "c"}, "a/b:1", "c:1", "1", id="a mirror"),
        pytest.param({"tag": "2"}, "a/b:1", "a/b:2", "2", id="another tag"),
        pytest.param({"tag": "2"}, f"a/b:1@{DIGEST}", "a/b:2", "2", id="not that digest then"),
        pytest.param({"digest": DIGEST}, "a/b", f"a/b@{DIGEST}", "ab12ab12ab12", id="a digest"),
        pytest.param({"tag": "2", "digest": DIGEST}, "a/b", f"a/b@{DIGEST}", "2", id="it wins"),
        pytest.param({"tag": "1.0-"}, "a", "a:1.0-", "1.0", id="no label may end so"),
        pytest.param({"tag": "v" * 99}, "a", "a:" + "v" * 99, "v" * 63, id="nor be longer"),
    ],
)
def test_empty_fields_come_from_the_table(
    image: dict[str, Any], default: str, reference: str, version: str
) -> None:
    found = chosen(image, default)
    assert (found.reference, found.version) == (reference, version)


def test_our_own_images_have_the_operators_version() -> None:
    facts = Facts({}, {}, {}, "1.2.3")
    assert images.of_agent(MINIMAL, facts).reference == "localhost/kato-operator:1.2.3"
    assert images.table("1.2.3")["service"].endswith(":1.2.3")
    assert images.table("1").keys() == {"service", "agent", "redis", "mongodb", "qdrant"}


def test_the_charts_table_replaces_single_entries() -> None:
    facts = Facts({"agent": "mirror/agent:7"}, {}, {}, "1.2.3")
    assert images.of_agent(MINIMAL, facts).reference == "mirror/agent:7"
    assert images.of_redis(MINIMAL, facts).reference == "docker.io/library/redis:7.4"
