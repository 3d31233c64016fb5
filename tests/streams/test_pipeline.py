"""The threaded stage: steps one by one and together, errors as outcomes, a bounded inside, an orderly end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from streams.broker import Message, Output
from streams.failpoints import SimulatedCrash
from streams.metrics import Metrics
from streams.outcomes import Backpressure, DependencyAway, Done, NotYet, Outcome, Quarantine, Retry, Unprocessable, Wait
from streams.pipeline import Each, Pipeline, Together


def _message(text: str) -> Message:
    return Message("chunks.raw", 0, 0, b"k", text.encode())


@contextmanager
def _running(steps: Sequence[Each | Together], **options: Any) -> Iterator[Pipeline]:
    pipeline = Pipeline(steps, **options)
    try:
        yield pipeline
    finally:
        pipeline.terminate()


def _all(pipeline: Pipeline, messages: Sequence[Message]) -> dict[str, Outcome]:
    for message in messages:
        pipeline.submit(message)
    pipeline.close()
    return {message.value.decode(): outcome for message, outcome in pipeline.join(5.0)}


def _upper(message: Message) -> str:
    return message.value.decode().upper()


def _done(text: str) -> Outcome:
    return Done([Output("results", b"k", text.encode())], rows=1)


def test_values_pass_through_every_step() -> None:
    steps: list[Each | Together] = [
        Each("up", _upper, 2),
        Together("bang", lambda texts: [text + "!" for text in texts], len),
        Each("end", _done, 2),
    ]
    with _running(steps) as pipeline:
        outcomes = _all(pipeline, [_message(f"m{n}") for n in range(50)])
    assert {name: outcome.outputs[0].value for name, outcome in outcomes.items() if isinstance(outcome, Done)} == {
        f"m{n}": f"M{n}!".encode() for n in range(50)
    }


def test_a_batch_ends_at_its_rows() -> None:
    sizes = []
    gate = threading.Event()

    def together(texts: list[str]) -> list[str]:
        gate.wait(60)
        sizes.append(len(texts))
        return texts

    with _running([Each("up", _upper), Together("b", together, lambda text: 10, max_rows=40, delay=0.5), Each("end", _done)]) as pipeline:
        for number in range(20):
            pipeline.submit(_message(f"m{number}"))
        time.sleep(0.05)
        gate.set()
        pipeline.close()
        assert len(pipeline.join(5.0)) == 20
    assert max(sizes) <= 4
    assert len(sizes) <= 8


def test_a_bad_value_takes_no_other_of_its_batch_with_it() -> None:
    def picky(texts: list[str]) -> list[str]:
        if "BAD" in texts:
            raise ValueError("no finite number")
        return texts

    steps: list[Each | Together] = [Each("up", _upper), Together("score", picky, lambda text: 1, delay=0.2), Each("end", _done)]
    with _running(steps) as pipeline:
        outcomes = _all(pipeline, [_message(name) for name in ("a", "bad", "c", "d")])
    assert outcomes["bad"] == Quarantine("ValueError", "no finite number")
    assert all(isinstance(outcomes[name], Done) for name in "acd")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (DependencyAway("clickhouse"), Retry("clickhouse")),
        (NotYet("plan p"), Wait("plan p")),
        (Unprocessable("Odd", "why"), Quarantine("Odd", "why")),
        (KeyError("gene"), Quarantine("KeyError", "'gene'")),
    ],
)
def test_what_a_step_raises_decides_the_outcome(error: Exception, outcome: Outcome) -> None:
    def fails(message: Message) -> Outcome:
        raise error

    with _running([Each("f", fails)]) as pipeline:
        assert _all(pipeline, [_message("a")]) == {"a": outcome}


def test_a_full_pipeline_pushes_back() -> None:
    gate = threading.Event()

    def waits(message: Message) -> Outcome:
        gate.wait(60)
        return Done()

    with _running([Each("w", waits)], capacity=3) as pipeline:
        for number in range(3):
            pipeline.submit(_message(str(number)))
        with pytest.raises(Backpressure):
            pipeline.submit(_message("more"))
        gate.set()
        assert len(pipeline.join(5.0)) == 3
        pipeline.submit(_message("more"))


def test_an_abandoned_message_comes_back_to_nobody() -> None:
    gate = threading.Event()
    done = []

    def waits(message: Message) -> Outcome:
        gate.wait(60)
        done.append(message.value)
        return Done()

    with _running([Each("w", waits)]) as pipeline:
        first, second, third = (_message(name) for name in "abc")
        for message in (first, second, third):
            pipeline.submit(message)
        pipeline.abandon([first, second])
        gate.set()
        assert [message for message, _ in pipeline.join(5.0)] == [third]
    assert b"b" not in done, "work that had not begun is not begun"


def test_a_simulated_crash_on_a_step_reaches_the_loop() -> None:
    def crashes(message: Message) -> Outcome:
        raise SimulatedCrash("here")

    with _running([Each("c", crashes)]) as pipeline:
        pipeline.submit(_message("a"))
        with pytest.raises(SimulatedCrash):
            pipeline.join(5.0)


def test_terminating_leaves_no_thread() -> None:
    with _running([Each("up", _upper, 3), Together("b", list, lambda text: 1, threads=2), Each("end", _done, 2)]) as pipeline:
        threads = [thread for _, thread in pipeline._threads]
        assert len(threads) == 7
    for thread in threads:
        thread.join(2.0)
        assert not thread.is_alive()


def test_steps_show_their_time_and_batches() -> None:
    metrics = Metrics("test")
    with _running([Each("up", _upper), Together("b", list, lambda text: 1), Each("end", _done)], metrics=metrics) as pipeline:
        _all(pipeline, [_message(str(n)) for n in range(5)])
    assert metrics.registry.get_sample_value("riverseq_step_seconds_count", {"step": "up"}) == 5
    assert metrics.registry.get_sample_value("riverseq_batch_rows_sum", {"step": "b"}) == 5
