"""Monitors, alerts and retention through the lab."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

import pytest

from astermind_lab.clock import FixedClock
from astermind_lab.errors import AlreadyExists, InvalidInput, NotFound
from astermind_lab.lab import Lab
from astermind_lab.persistence import RecordChange
from astermind_lab.settings import Settings

SOON = 20.0


def log(lab: Lab, label: str, n: int, end: datetime, *, right: bool = True) -> None:
    chance = random.Random(n)
    for place in range(n):
        lab.log_prediction(
            "m",
            "text",
            label if chance.random() < 0.9 else "other",
            chance.random(),
            ground_truth=label if right else "none",
            timestamp=end - timedelta(seconds=place),
        )


@pytest.fixture
def drifting(lab: Lab, clock: FixedClock) -> Lab:
    """A lab with a monitor that has something to find."""
    log(lab, "a", 200, clock.now())
    clock.advance(timedelta(days=1))
    lab.create_monitor("m", baseline="2d", window="1h", schedule="5m", detectors=["labels"])
    log(lab, "b", 200, clock.now())
    return lab


def test_a_monitor_finds_and_an_alert_lives(drifting: Lab, clock: FixedClock) -> None:
    lab = drifting
    found = lab.run_monitor("m")
    assert found.status == "drift"
    [alert] = found.alerts
    assert (alert.detector, alert.status, alert.times) == ("labels", "open", 1)
    assert "labels of m drifted" in alert.message
    clock.advance(60)
    assert lab.run_monitor("m").alerts[0].times == 2
    assert [one.alert_id for one in lab.list_alerts().alerts] == [alert.alert_id]
    assert lab.acknowledge_alert(alert.alert_id, note="known").note == "known"
    assert lab.list_alerts("acknowledged").alerts[0].alert_id == alert.alert_id
    muted = lab.mute_alert(alert.alert_id, until=clock.now() + timedelta(minutes=2))
    assert (muted.status, muted.note) == ("muted", "known")
    clock.advance(60)
    assert lab.run_monitor("m").alerts[0].status == "muted"
    clock.advance(120)
    assert lab.run_monitor("m").alerts[0].status == "open"
    assert lab.resolve_alert(alert.alert_id).closed_at == clock.now()
    assert not lab.list_alerts().alerts
    clock.advance(1)
    [again] = lab.run_monitor("m").alerts
    assert again.alert_id != alert.alert_id and again.times == 1
    [item] = lab.list_monitors().monitors
    assert (item.last_status, item.last_run) == ("drift", clock.now())
    assert lab.delete_monitor("m").success
    assert not lab.list_monitors().monitors and lab.list_alerts().alerts


def test_accuracy_is_watched_over_all_that_came_since(lab: Lab, clock: FixedClock) -> None:
    log(lab, "a", 200, clock.now())
    clock.advance(10)
    lab.create_monitor("m", baseline="1d", window="1s", detectors=["performance"])
    clock.advance(3600)
    log(lab, "a", 120, clock.now() - timedelta(minutes=30), right=False)
    [found] = lab.run_monitor("m").detectors
    assert found.drifted and found.current_n >= 120
    [alert] = lab.list_alerts().alerts
    clock.advance(1)
    lab.resolve_alert(alert.alert_id)
    clock.advance(1)
    [later] = lab.run_monitor("m").detectors
    assert later.status == "insufficient_data"  # from the resolution on nothing has come


def test_due_monitors_are_evaluated_by_themselves(lab: Lab, clock: FixedClock) -> None:
    log(lab, "a", 200, clock.now())
    clock.advance(timedelta(days=1))
    told: Queue[RecordChange] = Queue()
    with lab.on_alert(told.put):
        lab.create_monitor("m", baseline="2d", window="1h", schedule="5m", detectors=["labels"])
        log(lab, "b", 200, clock.now())
        lab.flush()
        assert told.empty()
        clock.advance(301)
        lab.store.monitors.note("m", {})  # a hint, so that nobody has to wait for the next look
        alert = told.get(timeout=SOON)
    assert alert.data["detector"] == "labels"
    assert lab.list_monitors().monitors[0].next_run == clock.now() + timedelta(minutes=5)


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        seen: Queue[object] = self.server.seen  # type: ignore[attr-defined]
        seen.put(json.loads(body))
        self.send_response(302 if self.path == "/away" else 204)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def hook() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Hook)
    server.seen = Queue()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_alert_is_posted_to_an_allowed_host(
    settings: Settings, clock: FixedClock, hook: HTTPServer
) -> None:
    host = f"127.0.0.1:{hook.server_port}"
    monitoring = settings.monitoring.model_copy(update={"webhook_hosts": (host,)})
    allowed = settings.model_copy(update={"monitoring": monitoring})
    with Lab.open("mem://", settings=allowed, clock=clock) as lab:
        log(lab, "a", 100, clock.now())
        clock.advance(timedelta(days=1))
        lab.create_monitor(
            "m", baseline="2d", window="1h", detectors=["labels"], webhook=f"http://{host}/here"
        )
        log(lab, "b", 100, clock.now())
        [alert] = lab.run_monitor("m").alerts
        told = hook.seen.get(timeout=SOON)  # type: ignore[attr-defined]
        assert (told["alert_id"], told["message"]) == (alert.alert_id, alert.message)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"schedule": "often"}, "schedule: 'often' is neither a duration"),
        ({"schedule": "0 0 30 2 *"}, "schedule: "),
        ({"schedule": "99 * * * *"}, "schedule: "),
        ({"window": "0s"}, "window: '0s' is not between"),
        ({"window": "-5m"}, "window: "),
        ({"baseline": {"begin": 1}}, "baseline: "),
        ({"baseline": {}}, "baseline: give start, end or both"),
        ({"baseline": "long ago"}, "baseline: 'long ago' is no duration"),
        ({"detectors": ["input"]}, "detectors: 'input' is not one of"),
        ({"thresholds": {"nobody": 1}}, "thresholds: 'nobody' is not one of"),
        ({"thresholds": {"labels": "much"}}, "thresholds.labels: "),
        ({"alpha": 2}, "alpha: "),
        ({"webhook": "http://10.0.0.1/x"}, "webhook: the host '10.0.0.1' is not allowed"),
        ({"webhook": "ftp://localhost"}, "webhook: "),
        ({"webhook": "http://me:secret@localhost/"}, "webhook: an address with a password"),
        ({"webhook": "http://localhost:no/"}, "webhook: "),
    ],
)
def test_bad_arguments_are_named(lab: Lab, given: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{reason}"):
        lab.create_monitor("m", **given)  # type: ignore[arg-type]
    assert not lab.list_monitors().monitors


def test_names_that_are_taken_or_unknown(lab: Lab) -> None:
    lab.create_monitor("m", schedule="*/7 * * * *")
    with pytest.raises(AlreadyExists, match=r"^monitor_id: there is a monitor 'm' already"):
        lab.create_monitor("m")
    assert lab.create_monitor("m", monitor_id="other").monitor_id == "other"
    assert [one.monitor_id for one in lab.list_monitors("m").monitors] == ["m", "other"]
    assert not lab.list_monitors("nobody").monitors
    for refused in (lab.delete_monitor, lab.run_monitor):
        with pytest.raises(NotFound, match=r"^monitor_id: there is no monitor 'none'"):
            refused("none")
    for change in (lab.acknowledge_alert, lab.mute_alert, lab.resolve_alert):
        with pytest.raises(NotFound, match=r"^alert_id: there is no alert 'none'"):
            change("none")
    with pytest.raises(InvalidInput, match=r"^status: 'new' is not one of"):
        lab.list_alerts("new")


def test_retention_says_what_it_would_do_and_does_it(settings: Settings, clock: FixedClock) -> None:
    keep = {"predictions": timedelta(days=30), "metrics": timedelta(days=90)}
    retention = settings.retention.model_copy(update={**keep, "old_model_versions": 1})
    kept = settings.model_copy(update={"retention": retention})
    with Lab.open("mem://", settings=kept, clock=clock) as lab:
        log(lab, "a", 50, clock.now() - timedelta(days=100))
        log(lab, "a", 50, clock.now() - timedelta(days=40))
        log(lab, "a", 50, clock.now())
        would = lab.apply_retention()
        assert (would.dry_run, dict(would.predictions)) == (True, {"m": 100})
        assert lab.store.predictions.count("m") == 150
        done = lab.apply_retention(dry_run=False)
        assert dict(done.predictions) == {"m": 100} and done.metrics == would.metrics > 0
        assert lab.store.predictions.count("m") == 50
        assert lab.get_model_metrics("m").metrics.total_predictions == 100
        assert lab.list_monitored_models().models[0].predictions == 100
        assert dict(lab.apply_retention(dry_run=False).predictions) == {}


def test_without_rules_everything_is_kept(lab: Lab, clock: FixedClock) -> None:
    log(lab, "a", 5, clock.now() - timedelta(days=4000))
    report = lab.apply_retention(dry_run=False)
    assert (report.predictions_before, dict(report.predictions)) == (None, {})
    assert "keep everything" in report.notes[0]
