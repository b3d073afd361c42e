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

    The arguments are a tuple of exactly the signature's types but for casts. An exception does
    not come out of a part.
    """

    @intrinsic
    def call(typing_context, address, arguments):  # type: ignore[no-untyped-def]
        def write(context, builder, typed, values):  # type: ignore[no-untyped-def]
            arguments = [builder.extract_value(values[1], i) for i in range(len(signature.args))]
            of_machine = [context.get_value_type(t) for t in signature.args]
            returned = context.get_value_type(signature.return_type)
            function = ir.FunctionType(returned, of_machine)
            return builder.call(builder.inttoptr(values[0], function.as_pointer()), arguments)

        return signature.return_type(nb.intp, nb.types.Tuple(signature.args)), write

    return call


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
def uncounted(typing_context, values):  # type: ignore[no-untyped-def]
    """The same tuple, its arrays without count of references; the caller keeps them alive.

    What hands many arrays from function to function would spend more time on counting.
    """

    def write(context, builder, typed, arguments):  # type: ignore[no-untyped-def]
        members = []
        for i, type_ in enumerate(values):
            value = builder.extract_value(arguments[0], i)
            if isinstance(type_, nb.types.Array):
                array = context.make_array(type_)(context, builder, value)
                array.meminfo = ir.Constant(array.meminfo.type, None)
                value = array._getvalue()
            members.append(value)
        return context.make_tuple(builder, values, members)

    return values(values), write
