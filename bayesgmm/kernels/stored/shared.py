"""Sweeps that are shared: one reading of the rows serves all who wait for one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, local

from ...utils.threads import for_each_task

# Computations that go on at once, each of which waits for the sweeps of the others.
_AT_ONCE = 64


class SharedSweeps[Wish, Answer]:
    """Answers to wishes, of which many are fulfilled at once.

    What a wish is answered does not depend on who else waits.

    Parameters
    ----------
    fulfil : callable
        The answers to a list of wishes.
    """

    def __init__(self, fulfil: Callable[[Sequence[Wish]], Sequence[Answer]]) -> None:
        self._fulfil = fulfil
        self._changed = Condition()
        self._waiting: list[_Item[Wish, Answer]] = []
        self._partners, self._sweeping, self._stopped = 0, False, False
        self._here = local()

    def __call__(self, wish: Wish) -> Answer:
        """The answer, by a sweep of this thread or of another one.

        No sweep begins before all who take part in a computation wait for one.
        """
        item = _Item[Wish, Answer](wish)
        with self._changed:
            self._waiting.append(item)
            while not item.done:
                if self._stopped:
                    raise KeyboardInterrupt
                if self._sweeping or len(self._waiting) < self._partners:
                    self._changed.wait(1.0)  # some systems see Ctrl-C only between waits
                else:
                    self._sweep()
        if item.error is not None:
            raise item.error
        assert item.answer is not None
        return item.answer

    def _sweep(self) -> None:
        """Fulfil all wishes; the lock is held before and after, not meanwhile."""
        batch, self._waiting, self._sweeping = self._waiting, [], True
        self._changed.release()
        answers: Sequence[Answer | None] = [None] * len(batch)
        error: BaseException | None = None
        try:
            answers = self._fulfil([item.wish for item in batch])
        except BaseException as raised:
            error = raised
        finally:
            self._changed.acquire()
            for item, answer in zip(batch, answers, strict=True):
                item.answer, item.error, item.done = answer, error, True
            self._sweeping = False
            self._changed.notify_all()

    def together[T](self, work: Callable[[T], None], items: Sequence[T]) -> None:
        """Call work(item) for all items, many at once, so that they share their sweeps."""
        left, n = deque(items), min(len(items), _AT_ONCE)

        def some(_: int) -> None:
            self._here.partner = True
            try:
                while (item := _next(left)) is not None and not self._stopped:
                    work(item[0])
            finally:
                self._here.partner = False
                self._count(-1)

        with self._standing_back():
            self._count(n)
            try:
                for_each_task(some, range(n), n + 1, self._stop)
            finally:
                self._stopped = False

    @contextmanager
    def _standing_back(self) -> Iterator[None]:
        """While others work for this thread, no sweep waits for it."""
        partner = getattr(self._here, "partner", False)
        self._count(-partner)
        try:
            yield
        finally:
            self._count(partner)

    def _count(self, change: int) -> None:
        with self._changed:
            self._partners += change
            self._changed.notify_all()

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def _next[T](left: deque[T]) -> tuple[T] | None:
    try:
        return (left.popleft(),)
    except IndexError:
        return None


class _Item[Wish, Answer]:
    """A wish, and what became of it."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self.done = False
