"""Progress bars, on standard error, silent when asked to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def track[T](items: Sequence[T], description: str, show: bool) -> Iterator[T]:
    """Iterate over the items with a bar that says how many are done."""
    if not show:
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, description, console=Console(stderr=True))
