"""Compiled code that calls a part of its computation by address (`compilation.part`).

Numba optimises and keeps a whole copy of everything a compiled function calls. A part is compiled
once, when it is first needed, and its callers hold nothing of it but an address, which they are
given when they run.
"""

from __future__ import annotations

from typing import Any

import numba as nb
from llvmlite import ir
from numba.extending import intrinsic


def caller(signature: Any) -> Any:
    """Make the function that calls a part of that signature: call(address, arguments).

    The arguments are a tuple, with tuples in it where the signature has any. Numbers are cast, and
    what a part only reads may be writeable. An exception does not come out of a part.
    """
    wanted = nb.types.Tuple(signature.args)

    @intrinsic
    def call(typing_context, address, arguments):  # type: ignore[no-untyped-def]
        if not _fit(typing_context, arguments, wanted):
            raise nb.TypingError(f"a part takes {wanted}, not {arguments}")

        def write(context, builder, typed, values):  # type: ignore[no-untyped-def]
            fitted = _fitted(context, builder, values[1], arguments, wanted)
            fitted = [builder.extract_value(fitted, i) for i in range(len(signature.args))]
            of_machine = [context.get_value_type(t) for t in signature.args]
            returned = context.get_value_type(signature.return_type)
            function = ir.FunctionType(returned, of_machine)
            return builder.call(builder.inttoptr(values[0], function.as_pointer()), fitted)

        return signature.return_type(nb.intp, arguments), write

    return call


def _fit(typing_context: Any, given: Any, wanted: Any) -> bool:
    """Whether a value of type given can be passed where type wanted is expected."""
    if not isinstance(wanted, nb.types.BaseTuple):
        return typing_context.can_convert(given, wanted) is not None
    if not isinstance(given, nb.types.BaseTuple) or len(given) != len(wanted):
        return False
    return all(_fit(typing_context, *pair) for pair in zip(given, wanted, strict=True))


def _fitted(context: Any, builder: Any, value: Any, given: Any, wanted: Any) -> Any:
    """The value converted to that type; Numba itself does not convert within named tuples."""
    if not isinstance(wanted, nb.types.BaseTuple):
        return context.cast(builder, value, given, wanted)
    members = [
        _fitted(context, builder, builder.extract_value(value, i), *pair)
        for i, pair in enumerate(zip(given, wanted, strict=True))
    ]
    return context.make_tuple(builder, wanted, members)


@intrinsic
def _pointer(typing_context, address, sample):  # type: ignore[no-untyped-def]
    """An address as a pointer to numbers of a sample's type."""
    signature = nb.types.CPointer(sample)(nb.intp, sample)

    def write(context, builder, typed, values):  # type: ignore[no-untyped-def]
        return builder.inttoptr(values[0], context.get_value_type(typed.return_type))

    return signature, write


@nb.njit(inline="always")
def array_at(address, length, sample):  # type: ignore[no-untyped-def]
    """The array of so many numbers that lies at an address; the caller keeps it alive."""
    return nb.carray(_pointer(address, sample), (length,))


@intrinsic
def readable(typing_context, values):  # type: ignore[no-untyped-def]
    """The same array, read-only."""
    wanted = values.copy(readonly=True)

    def write(context, builder, typed, arguments):  # type: ignore[no-untyped-def]
        value = context.cast(builder, arguments[0], values, wanted)
        context.nrt.incref(builder, wanted, value)
        return value

    return wanted(values), write


@intrinsic
def uncounted(typing_context, values):  # type: ignore[no-untyped-def]
    """The same tuple, its arrays without count of references; the caller keeps them alive.

    What hands many arrays from function to function would spend more time on counting.
    """

    def write(context, builder, typed, arguments):  # type: ignore[no-untyped-def]
        return _uncounted(context, builder, values, arguments[0])

    return values(values), write


def _uncounted(context: Any, builder: Any, type_: Any, value: Any) -> Any:
    if isinstance(type_, nb.types.BaseTuple):
        members = [
            _uncounted(context, builder, member, builder.extract_value(value, i))
            for i, member in enumerate(type_)
        ]
        return context.make_tuple(builder, type_, members)
    if not isinstance(type_, nb.types.Array):
        return value
    array = context.make_array(type_)(context, builder, value)
    array.meminfo = ir.Constant(array.meminfo.type, None)
    return array._getvalue()
