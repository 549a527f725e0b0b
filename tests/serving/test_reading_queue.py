"""The reading queue: jobs done together, refused, or given up."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from support.hostile import saved
from support.strokefont import sheet

from digits.errors import PhotoError
from digits.reading.image_files import PictureLimits
from digits.reading.reader import Reader
from digits.reading.results import Reading
from digits.serving.reading_queue import BusyError, ReadingQueue


def _in_worker(work: "Callable[[ReadingQueue], Any]", **options: Any) -> Any:
    async def run() -> Any:
        worker = ReadingQueue(PictureLimits(), **options)
        worker.start()
        try:
            return await work(worker)
        finally:
            worker.stop()

    return asyncio.run(run())


def test_pictures_that_wait_are_read_together_as_if_alone(reader: Reader) -> None:
    """Twenty pictures at once, good and bad, get the same answers as one by one."""
    pictures = [saved(sheet(str(i % 10)), "PNG") if i % 7 else b"none" for i in range(20)]

    async def ask(worker: ReadingQueue) -> list[Any]:
        asked = [worker.read(reader, picture, single=True) for picture in pictures]
        return await asyncio.gather(*asked, return_exceptions=True)

    for picture, found in zip(pictures, _in_worker(ask), strict=True):
        if picture == b"none":
            assert isinstance(found, PhotoError)
        else:
            assert isinstance(found, Reading)
            assert found.text == reader.read(picture, single=True).text


def test_too_many_are_refused_and_the_rest_answered() -> None:
    """With room for three jobs, two of five are refused with BusyError."""

    async def ask(worker: ReadingQueue) -> list[Any]:
        asked = [worker.do(lambda: 1) for _ in range(5)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert worker.waiting == 0
        return found

    found = _in_worker(ask, max_jobs=3)
    assert found[:3] == [1, 1, 1]
    assert [type(error) for error in found[3:]] == [BusyError, BusyError]


def test_whoever_waits_too_long_is_told() -> None:
    """A job that waits too long raises BusyError and is not done later."""
    gate, done = threading.Event(), []

    async def ask(worker: ReadingQueue) -> Any:
        asked = [worker.do(gate.wait), worker.do(lambda: done.append(1))]
        found = await asyncio.gather(*asked, return_exceptions=True)
        gate.set()
        assert await worker.do(lambda: 5) == 5
        return found

    assert [type(error) for error in _in_worker(ask, seconds=0.2)] == [BusyError, BusyError]
    assert not done


def test_a_bug_that_one_picture_meets_spares_the_others(reader: Reader) -> None:
    """When reading together fails, each picture is read alone."""

    class Fragile(Reader):
        def read_many(self, *_: Any, **__: Any) -> Any:
            raise ZeroDivisionError

    fragile = Fragile(reader.classifier)
    picture = saved(sheet("3"), "PNG")

    async def ask(worker: ReadingQueue) -> list[Any]:
        return await asyncio.gather(*(worker.read(fragile, picture, single=True) for _ in range(6)))

    assert [reading.text for reading in _in_worker(ask)] == ["3"] * 6
