"""Progress bars, on standard error, silent when asked to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec


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
        yield lambda: bar.advance(task)


def announce(text: str, show: bool) -> None:
    """Print a line on standard error, which stays there."""
    if show:
        from rich.console import Console

        Console(stderr=True, force_jupyter=False).print(text, highlight=False)


@contextmanager
def waiting(text: str, show: bool) -> Iterator[None]:
    """A line that moves on a terminal while something is done, and is gone after it."""
    from rich.console import Console

    console = Console(stderr=True, force_jupyter=False)
    if not (show and console.is_terminal):
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
    with console.status("") as status:
        yield (lambda text: status.update(f"{text} ...")) if console.is_terminal else console.print


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
