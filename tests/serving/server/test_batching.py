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
        self.batches, self.calls, self.leave = [], 0, threading.Event()
        self.leave.set()

    def predict(self, images):
        self.calls += 1
        self.leave.wait(30)
        self.batches.append(len(images))
        if (images == 255).any():
            raise RuntimeError("broken")
        return {"value": images[:, 0, 0, 0].astype(float), "pair": images[:, 0, 0, :2]}


def submit(batcher, images):
    return batcher.submit(lambda: images)


def run(work, at_once=1, **settings):
    net = Net()

    async def main():
        with ThreadPoolExecutor(at_once + 2) as pool:
            return await work(net, Batcher(net.predict, pool, at_once=at_once, **{"max_batch": 8, **settings}))

    return net, asyncio.run(main())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.integers(1, 8), st.integers(1, 3))
def test_everyone_gets_the_own_rows_in_batches_of_the_size_allowed(counts, most, at_once):
    async def work(net, batcher):
        requests = [image(value % 250, count) for value, count in enumerate(counts)]
        return await asyncio.gather(*(submit(batcher, one) for one in requests))

    net, answers = run(work, at_once, max_batch=most)
    for value, (count, answer) in enumerate(zip(counts, answers, strict=True)):
        assert answer["value"].tolist() == [value % 250] * count and answer["pair"].shape == (count, 2)
    assert max(net.batches) <= most and sum(net.batches) == sum(counts)


def test_what_comes_while_a_batch_runs_is_predicted_together():
    async def work(net, batcher):
        net.leave.clear()
        first = asyncio.create_task(submit(batcher, image(1)))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(submit(batcher, image(value))) for value in range(2, 8)]
        await asyncio.sleep(0.05)
        net.leave.set()
        return await asyncio.gather(first, *others)

    net, answers = run(work)
    assert net.batches == [1, 6]
    assert [answer["value"][0] for answer in answers] == [1, 2, 3, 4, 5, 6, 7]


def test_batches_run_side_by_side_as_many_as_may():
    async def work(net, batcher):
        net.leave.clear()
        requests = []
        for value in range(6):
            requests.append(asyncio.create_task(submit(batcher, image(value))))
            await asyncio.sleep(0.02)
        net.leave.set()
        return await asyncio.gather(*requests)

    net, answers = run(work, at_once=2)
    assert sorted(net.batches) == [1, 1, 1, 3]
    assert [answer["value"][0] for answer in answers] == [0, 1, 2, 3, 4, 5]


def test_parts_of_a_large_request_run_side_by_side():
    async def work(net, batcher):
        net.leave.clear()
        request = asyncio.create_task(submit(batcher, np.concatenate([image(value) for value in range(10)])))
        await asyncio.sleep(0.1)
        predicting = net.calls
        net.leave.set()
        return predicting, await request

    net, (predicting, answer) = run(work, at_once=2, max_batch=4)
    assert predicting == 2 and max(net.batches) <= 4
    assert answer["value"].tolist() == list(range(10))


def test_who_prepares_wrongly_hears_of_it_alone():
    def broken():
        raise ValueError("no image")

    async def work(net, batcher):
        return await asyncio.gather(batcher.submit(broken), submit(batcher, image(4)), return_exceptions=True)

    error, answer = run(work)[1]
    assert isinstance(error, ValueError) and answer["value"] == [4]


def test_a_batch_that_is_not_full_waits_as_long_as_it_may():
    async def work(net, batcher):
        first = asyncio.create_task(submit(batcher, image(1)))
        await asyncio.sleep(0.01)
        return await asyncio.gather(first, submit(batcher, image(2)))

    assert run(work, seconds=30, max_batch=2)[0].batches == [2]
    assert run(work, seconds=0.2, max_batch=3)[0].batches == [2]


def test_a_full_batch_does_not_wait_whatever_came_before_it():
    async def work(net, batcher):
        return await asyncio.wait_for(submit(batcher, image(1, 6)), 20)

    assert run(work, seconds=60, max_batch=2)[0].batches == [2, 2, 2]


def test_who_has_gone_is_not_predicted():
    async def work(net, batcher):
        net.leave.clear()
        first = asyncio.create_task(submit(batcher, image(1)))
        gone = asyncio.create_task(submit(batcher, image(2)))
        other = asyncio.create_task(submit(batcher, image(3)))
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
            await submit(batcher, image(255))
        return await submit(batcher, image(7))

    assert run(work)[1]["value"] == [7]
