"""Progress bars, on standard error, silent when asked to be.

On a terminal they move. Where standard error is a file or a pipe a line every few seconds says that
something is still being done, and since when.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from threading import Event, Thread

# Seconds without a line after which one says what is still being done, where nothing can move.
_BEAT = 3.0


@contextmanager
def progress(description: str, total: int, show: bool) -> Iterator[Callable[[], None]]:
    """A bar that moves by one of `total` each time the yielded function is called."""
    if not show:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    # Not the time that is left: while code is being compiled, that says minutes for seconds.
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    # In a notebook rich moves the bar by ipywidgets; without them it would warn, each time.
    in_notebook = None if find_spec("ipywidgets") else False
    console = Console(stderr=True, force_jupyter=in_notebook)
    with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task(description, total=total)
        task_now = bar.tasks[0]
        with still_at(lambda: f"{description}: {task_now.completed:.0f} of {total}", show):
            yield lambda: bar.advance(task)


class _Silence:
    """When the last line was written: stages that are short each must not be silent together."""

    last = time.monotonic()

    @classmethod
    def seconds(cls) -> float:
        """How long nothing has been said."""
        return time.monotonic() - cls.last

    @classmethod
    def broken(cls) -> None:
        """A line has been written."""
        cls.last = time.monotonic()


def announce(text: str, show: bool) -> None:
    """Print a line on standard error, which stays there."""
    if show:
        from rich.console import Console

        Console(stderr=True, force_jupyter=False).print(text, highlight=False)
        _Silence.broken()


@contextmanager
def still_at(text: str | Callable[[], str], show: bool) -> Iterator[None]:
    """A line every few seconds, with the time since, where standard error is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not show or console.is_terminal or console.is_jupyter:
        yield
        return
    begin, over = time.monotonic(), Event()

    def beat() -> None:
        while not over.wait(max(0.0, _BEAT - _Silence.seconds())):
            _Silence.broken()
            now = text if isinstance(text, str) else text()
            if now:  # the first of several stages may not have begun
                console.print(f"{now}, {time.monotonic() - begin:.0f} s", highlight=False)

    thread = Thread(target=beat, daemon=True, name="bayesgmm progress")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def waiting(text: str, show: bool) -> Iterator[None]:
    """A line that moves on a terminal while something is done, and is gone after it."""
    from rich.console import Console

    console = Console(stderr=True, force_jupyter=False)
    if not (show and console.is_terminal):
        with still_at(text, show):
            yield
        return
    with console.status(f"{text} ..."):
        yield


@contextmanager
def stages(show: bool) -> Iterator[Callable[[str], None]]:
    """A line that says what is being done: the yielded function begins the next stage.

    Where standard error is no terminal, each stage is a line of its own.
    """
    if not show:
        yield lambda text: None
        return
    from rich.console import Console

    console = Console(stderr=True, force_jupyter=False)
    stage = ""

    def begin(text: str) -> None:
        nonlocal stage
        stage = text
        if console.is_terminal:
            status.update(f"{text} ...")
        else:
            console.print(text)
            _Silence.broken()

    with console.status("") as status, still_at(lambda: stage, show):
        yield begin


def until_interrupted[T, R](
    work: Callable[[T], R], items: Sequence[T], description: str, show: bool
) -> tuple[list[R], bool]:
    """The work's results for the items up to Ctrl-C, with a bar; and whether Ctrl-C came."""
    done: list[R] = []
    try:
        with progress(description, len(items), show) as tick:
            for item in items:
                done.append(work(item))
                tick()
    except KeyboardInterrupt:
        return done, True
    return done, False


def track[T](items: Sequence[T], description: str, show: bool) -> Iterator[T]:
    """Iterate over the items with a bar that says how many are done."""
    with progress(description, len(items), show) as tick:
        for item in items:
            yield item
            tick()
