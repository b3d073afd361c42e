"""What a report is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ..data.tables import MISSING, REFUSE
from ..em.result import Fit
from ..mixture.prior import Prior
from ..posterior.components import ComponentsPosterior
from ..posterior.posterior import Posterior
from ..sampling.registry import SamplerName, sampler_named
from ..selection.criteria import CriterionName, criterion_of
from ..selection.selection import Selection
from ..utils.validation import check_choice, check_integer, check_probability, whole_seed

Section = Literal[
    "selection", "fit", "posterior", "check", "diagnostics", "comparison", "data", "method",
    "prior", "repeat", "versions",
]  # fmt: skip
#: The sections of a report, in their order.
SECTIONS: tuple[Section, ...] = get_args(Section)
#: Types of images by the ending of their files.
LOGOS = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
    ".svg": "image/svg+xml", ".webp": "image/webp",
}  # fmt: skip

type _Result = Fit | Posterior | ComponentsPosterior | Selection
type Results = _Result | Mapping[str, _Result]


@dataclass(frozen=True, slots=True, eq=False)
class ReportRequest:
    """The options of a report; the parameters are those of `report`."""

    n_components: int | Iterable[int] = range(1, 10)
    covariance_type: str | Iterable[str] | None = None
    columns: Sequence[str] | None = None
    prior: Prior | None = None
    refine: bool = True
    n_posteriors: int = 3
    criterion: CriterionName = "bic"
    sampler: SamplerName = "auto"
    n_init: int | None = None
    draws: int = 1000
    tune: int = 200
    chains: int = 4
    ci_prob: float = 0.89
    random_seed: int = 0
    title: str = ""
    question: str = ""
    source: str = ""
    reading: str = ""
    missing: str = REFUSE
    component_names: Sequence[str] | None = None
    sections: Sequence[Section] | None = None
    logo: str | Path | None = None
    template: str | Path | None = None
    max_time: float | None = None
    noise: Any = None

    def __post_init__(self) -> None:
        """Keep the numbers of components as a list, which is read more than once; check others."""
        set_value = object.__setattr__
        if isinstance(self.n_components, Iterable):
            set_value(self, "n_components", list(self.n_components))
        set_value(self, "random_seed", whole_seed(self.random_seed) or 0)
        set_value(self, "criterion", criterion_of(self.criterion).name)
        set_value(self, "sampler", sampler_named(self.sampler).name)
        set_value(self, "n_posteriors", check_integer("n_posteriors", self.n_posteriors, 1))
        check_choice("missing", self.missing, MISSING)
        set_value(self, "ci_prob", check_probability("ci_prob", self.ci_prob))
        for name, known in (("sections", SECTIONS), ("component_names", None)):
            set_value(self, name, _texts(name, getattr(self, name), known))
        set_value(self, "template", _file("template", self.template))
        set_value(self, "logo", _file("logo", self.logo, tuple(LOGOS)))
        if self.max_time is not None and not sampler_named(self.sampler).chooses:
            raise ValueError(
                f"max_time is {self.max_time}: only sampler='auto' has one; leave it out."
            )

    @property
    def ks(self) -> list[int]:
        """The numbers of components."""
        ks = self.n_components
        return list(ks) if isinstance(ks, Iterable) else [ks]

    @property
    def shown(self) -> tuple[Section, ...]:
        """The sections of the report."""
        return SECTIONS if self.sections is None else tuple(self.sections)


def _texts(name: str, given: Any, known: Sequence[str] | None) -> tuple[str, ...] | None:
    """A sequence of texts, of those known; None where none is given."""
    if given is None:
        return None
    if isinstance(given, str) or not all(isinstance(text, str) for text in given):
        raise TypeError(f"{name} is {given!r}: pass a list of texts.")
    return tuple(text if known is None else check_choice(name, text, known) for text in given)


def _file(name: str, given: str | Path | None, endings: Sequence[str] = ()) -> Path | None:
    """The path of a file that there is, with one of these endings; None where none is given."""
    if given is None:
        return None
    path = Path(given)
    if not path.is_file():
        raise FileNotFoundError(f"{name} is {str(path)!r}: there is no such file.")
    if endings and path.suffix.lower() not in endings:
        raise ValueError(f"{name} is {path.name!r}: pass a file in {', '.join(endings)}.")
    return path


@dataclass(frozen=True, slots=True)
class Given:
    """Results that are reported in place of new ones.

    Attributes
    ----------
    selection : Selection or None
        The grid; of fits and of posteriors' fits, where no grid is among the results.
    posteriors : dict of name to Posterior
        The posteriors, in their order.
    sampled : dict of name to ComponentsPosterior
        Those of the number of components.
    """

    selection: Selection | None
    posteriors: dict[str, Posterior]
    sampled: dict[str, ComponentsPosterior]

    @classmethod
    def of(cls, results: Any) -> Given:
        """The results, sorted by kind.

        Raises
        ------
        TypeError
            Something else among them.
        ValueError
            Two grids.
        """
        if results is None:
            return cls(None, {}, {})
        named = results if isinstance(results, Mapping) else {"": results}
        grids: list[Selection] = []
        fits: list[Fit] = []
        posteriors: dict[str, Posterior] = {}
        sampled: dict[str, ComponentsPosterior] = {}
        for name, result in named.items():
            if isinstance(result, Selection):
                grids.append(result)
            elif isinstance(result, Posterior):
                posteriors[str(name) or "posterior"] = result
            elif isinstance(result, ComponentsPosterior):
                sampled[str(name) or "K sampled"] = result
            elif isinstance(result, Fit):
                fits.append(result)
            else:
                raise TypeError(
                    f"results has a {type(result).__name__}: pass a Fit, a Selection, a Posterior, "
                    "a ComponentsPosterior, or a mapping of names to them."
                )
        if len(grids) > 1:
            raise ValueError(f"results has {len(grids)} grids: pass one.")
        fits += [posterior.fit for posterior in posteriors.values()]
        fits += [posterior.fit for posterior in sampled.values()]
        if not grids and fits:
            grids = [Selection({(fit.model_name, fit.n_components): fit for fit in fits}, {})]
        return cls(grids[0] if grids else None, posteriors, sampled)
