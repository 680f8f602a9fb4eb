"""Instance and Teach."""

import json
from contextlib import suppress

import httpx
import pytest

from support import patient, waiting
from support.console import Console
from support.console_views import started
from support.servers import free_port
from support.services import NewService, ServiceProcess


def test_the_instance_is_shown_without_secrets(console: Console) -> None:
    console.open("instance")
    console.see(".hc")
    console.read(".inner", "all is well")
    assert len(console.texts(".hc")) == 4
    console.click("#configuration")
    console.run("await until(() => $('details').open);")
    assert "recall_threshold" in console.text(".columns")


def is_there(service: ServiceProcess) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{service.url}/health/live").status_code == 200
    return False


def test_what_is_red_says_what_to_do(page: Console, new_service: NewService) -> None:
    away = f"mongodb://127.0.0.1:{free_port()}/?directConnection=true"
    service = new_service(MONGO_BASE_URL=away, VECTORS="disabled", PROCESSOR_ID="roastery.prod")
    service.start()
    waiting.until(lambda: is_there(service), "the service")
    page.url = service.url
    page.open("instance")
    page.read(".alert", "The store of knowledge (MongoDB) does not answer")
    assert "kubectl describe katoinstance roastery -n prod" in page.text(".alert")
    page.read(".inner", "one item needs you")
    page.picture("instance-red")


def test_the_first_conversation_takes_five_steps_and_leaves_nothing(
    console: Console, service: ServiceProcess
) -> None:
    before = patient.get(f"{service.url}/v2/sessions/count").json()
    console.open("teach")
    for title in ("1.", "1.", "1.", "1.", "2.", "3.", "4.", "4."):
        console.read(".desk h1", title)
        console.run("await until(() => document.activeElement.id === 'go');")
        said = console.text(".desk")
        console.tab.press("Enter")
        console.run(f"await until(() => $('.desk').innerText !== {json.dumps(said)});")
    console.read(".desk h1", "5. Ask why")
    assert [line.split("\n")[0] for line in console.texts(".next.flat li")] == ["jam", "honey"]
    console.run("await until(() => document.activeElement.id === 'go');")
    console.tab.press("Enter")
    console.read("#drawer", "How potential adds up")
    console.picture("teach-explained")
    console.tab.press("Escape")
    console.click("#forget")
    console.read(".desk h1", "1. Observe")
    assert patient.get(f"{service.url}/v2/sessions/count").json() == before


HOLDING = """
const real = window.fetch, held = new Promise(done => { window.release = done; });
window.sent = [];
window.fetch = async (url, options) => {
  if (options.method !== "GET") window.sent.push(new URL(url).pathname);
  const answer = await real(url, options);
  if (String(url).endsWith(PATH)) { window.holds = true; await held; }
  return answer;
};
"""


@pytest.mark.parametrize("path", ["/v2/sessions", "/observe-sequence"])
def test_a_conversation_that_is_left_in_between_leaves_nothing(
    console: Console, service: ServiceProcess, path: str
) -> None:
    """The answer to its last request arrives after another view is open."""
    before = patient.get(f"{service.url}/v2/sessions/count").json()
    console.open("teach")
    console.read(".desk h1", "1.")
    console.run(HOLDING.replace("PATH", json.dumps(path)))
    for _ in range(6):  # four events, learn, teach more
        console.run(
            "const said = $('.desk').innerText; $('#go').click();"
            "await until(() => window.holds || $('.desk').innerText !== said);"
        )
        if console.run("return Boolean(window.holds);"):
            break
    console.run("location.hash = '#instance'; await until(() => $('.hc')); window.release();")
    console.run("await until(() => window.sent.some(path => path.includes('/v2/users/tour-')));")
    sent = console.run("return window.sent;")
    held = next(place for place, one in enumerate(sent) if one.endswith(path))
    assert [one for one in sent[held + 1 :] if "/tour-" not in one] == []
    waiting.until(
        lambda: patient.get(f"{service.url}/v2/sessions/count").json() == before, "no session"
    )


def test_an_instance_without_a_console_says_so(new_service: NewService) -> None:
    service = started(new_service, ENABLE_CONSOLE="false", VECTORS="disabled")
    assert httpx.get(f"{service.url}/console").status_code == 404
