"""Where the project lies, and the numbers of other programs."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Reference numbers that come with the tests.
SHIPPED = ROOT / "tests" / "reference"
#: The full set, beside a development checkout.
SHARED = ROOT.parent / "shared" / "reference"
REFERENCE = SHARED if SHARED.is_dir() else SHIPPED
