"""An instance at a glance."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from kato_client import Kato

STYLES = {"healthy": "green", "degraded": "yellow", "unhealthy": "red", "disabled": "dim"}


def sample(kato: Kato) -> dict[str, Any]:
    """Health and figures as the instance gives them."""
    return {"health": kato.health(), "metrics": kato.metrics()}


def shown(found: dict[str, Any]) -> Group:
    health, metrics = found["health"], found["metrics"]
    return Group(_headline(health), _figures(health, metrics), Text(), _stores(health, metrics))


def _headline(health: dict[str, Any]) -> Text:
    status = str(health["status"])
    text = Text("KATO ").append(status, style=STYLES.get(status, ""))
    return text.append(f"   version {health['version']}   up {health['uptime_seconds']:.0f} s")


def _figures(health: dict[str, Any], metrics: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    rates, used, speed = metrics["rates"], metrics["resources"], metrics["performance"]
    rows = (
        ("requests per second", f"{rates['requests_per_second']:.1f}"),
        ("errors per minute", f"{rates['errors_per_minute']}"),
        ("mean answer", f"{1000 * speed['average_response_time']:.1f} ms"),
        ("live sessions", f"{health['active_sessions']}"),
        *((f"{name} used", f"{used[f'{name}_percent']:.0f} %") for name in ("cpu", "memory", "disk")
          if f"{name}_percent" in used),
    )  # fmt: skip
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(value))
    return table


def _stores(health: dict[str, Any], metrics: dict[str, Any]) -> Table:
    table = Table("store", "status", "kind", "calls", "errors", box=None, pad_edge=False)
    for name, component in health["components"].items():
        counted = metrics["databases"].get(name, {})
        status = str(component["status"])
        table.add_row(
            Text(name),
            Text(status, style=STYLES.get(status, "")),
            Text(str(component.get("backend", ""))),
            Text(str(counted.get("operations", ""))),
            Text(str(counted.get("errors", ""))),
        )
    return table
