"""Requests that are predicted together."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl.serving.server.batching import Batcher


def image(value, count=1):
    return np.full((count, 2, 2, 3), value, np.uint8)


class Net:
    """Gives each image's value; waits for leave, and remembers the batches."""

    def __init__(self):
        self.batches, self.leave = [], threading.Event()
        self.leave.set()

    def predict(self, images):
        self.leave.wait(30)
        self.batches.append(len(images))
        if (images == 255).any():
            raise RuntimeError("broken")
        return {"value": images[:, 0, 0, 0].astype(float), "pair": images[:, 0, 0, :2]}


def run(work, **settings):
    net = Net()

    async def main():
        with ThreadPoolExecutor(1) as pool:
            return await work(net, Batcher(net.predict, pool, **{"max_batch": 8, **settings}))

    return net, asyncio.run(main())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.integers(1, 8))
def test_everyone_gets_the_own_rows_in_batches_of_the_size_allowed(counts, most):
    async def work(net, batcher):
        requests = [image(value % 250, count) for value, count in enumerate(counts)]
        return await asyncio.gather(*(batcher.submit(one) for one in requests))

    net, answers = run(work, max_batch=most)
    for value, (count, answer) in enumerate(zip(counts, answers, strict=True)):
        assert answer["value"].tolist() == [value % 250] * count and answer["pair"].shape == (count, 2)
    assert max(net.batches) <= most and sum(net.batches) == sum(counts)


def test_what_comes_while_a_batch_runs_is_predicted_together():
    async def work(net, batcher):
        net.leave.clear()
        first = asyncio.create_task(batcher.submit(image(1)))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(batcher.submit(image(value))) for value in range(2, 8)]
        await asyncio.sleep(0.05)
        net.leave.set()
        return await asyncio.gather(first, *others)

    net, answers = run(work)
    assert net.batches == [1, 6]
    assert [answer["value"][0] for answer in answers] == [1, 2, 3, 4, 5, 6, 7]


def test_a_batch_that_is_not_full_waits_as_long_as_it_may():
    async def work(net, batcher):
        first = asyncio.create_task(batcher.submit(image(1)))
        await asyncio.sleep(0.01)
        return await asyncio.gather(first, batcher.submit(image(2)))

    assert run(work, seconds=30, max_batch=2)[0].batches == [2]
    assert run(work, seconds=0.2, max_batch=3)[0].batches == [2]


def test_a_full_batch_does_not_wait_whatever_came_before_it():
    async def work(net, batcher):
        return await asyncio.wait_for(batcher.submit(image(1, 6)), 20)

    assert run(work, seconds=60, max_batch=2)[0].batches == [2, 2, 2]


def test_who_has_gone_is_not_predicted():
    async def work(net, batcher):
        net.leave.clear()
        first = asyncio.create_task(batcher.submit(image(1)))
        gone = asyncio.create_task(batcher.submit(image(2)))
        other = asyncio.create_task(batcher.submit(image(3)))
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0.01)
        net.leave.set()
        return (await asyncio.gather(first, other, gone, return_exceptions=True))[:2]

    net, (first, other) = run(work, max_batch=1)
    assert (first["value"], other["value"]) == ([1], [3]) and net.batches == [1, 1]


def test_a_failure_reaches_those_of_its_batch_and_no_other():
    async def work(net, batcher):
        with pytest.raises(RuntimeError, match="broken"):
            await batcher.submit(image(255))
        return await batcher.submit(image(7))

    assert run(work)[1]["value"] == [7]
