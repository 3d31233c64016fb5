"""What the text of a record says of one structural ALT: symbols (VCF 4.4, section 1.4.5), breakends (section 5.4), and the INFO beside.

Kernels over spans of text; positions are the file's own, 1-based. SVTYPE decides where ALT's symbol is no known one, as in Ensembl VEP.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate.structural.kinds import Kind, Side
from processors.knowledge.strings import read_only

PARSED = np.dtype(
    [
        ("kind", np.uint8),  # Kind
        ("position", np.int64),  # -1: no number
        ("end", np.int64),  # INFO's END, -1: none
        ("length", np.int64),  # |SVLEN|, -1: none
        ("copies", np.int32),  # of <CNn> or INFO's CN, -1: none
        ("per_haplotype", np.bool_),  # `copies` is of one haplotype (<CNn>), not of the sample
        ("side", np.uint8),  # Side that a breakend keeps at POS
        ("mate_side", np.uint8),
        ("mate_position", np.int64),  # -1: none, as for a single breakend
        ("mate", np.int32),  # span of the mate's contig in the text
        ("mate_end", np.int32),
        ("mate_id", np.int32),  # span of MATEID
        ("mate_id_end", np.int32),
        ("inexact", np.bool_),  # IMPRECISE, or a confidence interval wider than a point
    ],
    align=True,
)

_LARGEST = 1 << 40


def _word(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


_DEL, _DUP, _DUP_TANDEM, _INS, _INV = _word("DEL"), _word("DUP"), _word("DUP:TANDEM"), _word("INS"), _word("INV")
_CNV, _CN, _BND, _TRA = _word("CNV"), _word("CN"), _word("BND"), _word("TRA")
_END, _SVLEN, _SVTYPE, _CIPOS, _CIEND = _word("END"), _word("SVLEN"), _word("SVTYPE"), _word("CIPOS"), _word("CIEND")
_IMPRECISE, _MATEID, _CHR2, _END2 = _word("IMPRECISE"), _word("MATEID"), _word("CHR2"), _word("END2")
_LEFT, _RIGHT = int(Side.LEFT), int(Side.RIGHT)
_DELETION, _DUPLICATION, _TANDEM = int(Kind.DELETION), int(Kind.DUPLICATION), int(Kind.TANDEM_DUPLICATION)
_INSERTION, _INVERSION, _COPY_NUMBER = int(Kind.INSERTION), int(Kind.INVERSION), int(Kind.COPY_NUMBER)
_BREAKEND, _UNKNOWN = int(Kind.BREAKEND), int(Kind.UNKNOWN)


@njit(cache=True, nogil=True)
def _begins(buf, a, b, word):  # type: ignore[no-untyped-def]
    """True where a span begins with a word, in either case, and the word ends there or at `:`."""
    if b - a < word.shape[0]:
        return False
    for i in range(word.shape[0]):
        c = buf[a + i]
        if 97 <= c <= 122:
            c -= 32
        if c != word[i]:
            return False
    return b - a == word.shape[0] or buf[a + word.shape[0]] == 58


@njit(cache=True, nogil=True)
def _is(buf, a, b, word):  # type: ignore[no-untyped-def]
    if b - a != word.shape[0]:
        return False
    for i in range(word.shape[0]):  # noqa: SIM110
        if buf[a + i] != word[i]:
            return False
    return True


@njit(cache=True, nogil=True)
def _integer(buf, a, b):  # type: ignore[no-untyped-def]
    """(valid, value) of a decimal integer with an optional sign; a fraction of zeros is none (`2.0` is 2)."""
    negative = a < b and buf[a] == 45
    i = a + 1 if a < b and (buf[a] == 45 or buf[a] == 43) else a
    first, value = i, np.int64(0)
    while i < b and 48 <= buf[i] <= 57:
        value = value * 10 + (buf[i] - 48)
        if value > _LARGEST:
            return False, np.int64(0)
        i += 1
    if i == first:
        return False, np.int64(0)
    if i < b and buf[i] == 46:
        i += 1
        while i < b and buf[i] == 48:
            i += 1
    return i == b, -value if negative else value


@njit(cache=True, nogil=True)
def _nth(buf, a, b, n):  # type: ignore[no-untyped-def]
    """Span of the n-th (0-based) part of a comma list; of the only one where there is one; empty where there are too few."""
    parts, first = 0, a
    only, only_end = a, b
    for i in range(a, b + 1):
        if i == b or buf[i] == 44:
            if parts == n:
                return first, i
            parts += 1
            first = i + 1
    return (only, only_end) if parts == 1 else (b, b)


@njit(cache=True, nogil=True)
def _kind(buf, a, b):  # type: ignore[no-untyped-def]  # noqa: PLR0911
    """(Kind, copies) of a symbol or an SVTYPE."""
    if _begins(buf, a, b, _DUP_TANDEM):
        return _TANDEM, -1
    if _begins(buf, a, b, _DUP):
        return _DUPLICATION, -1
    if _begins(buf, a, b, _DEL):
        return _DELETION, -1
    if _begins(buf, a, b, _INS):
        return _INSERTION, -1
    if _begins(buf, a, b, _INV):
        return _INVERSION, -1
    if _begins(buf, a, b, _CNV):
        return _COPY_NUMBER, -1
    if _begins(buf, a, b, _BND) or _begins(buf, a, b, _TRA):
        return _BREAKEND, -1
    if b - a > 2 and _begins(buf, a, a + 2, _CN):
        valid, copies = _integer(buf, a + 3 if buf[a + 2] == 61 else a + 2, b)
        if valid and 0 <= copies < 1 << 30:
            return _COPY_NUMBER, copies
    return _UNKNOWN, -1


@njit(cache=True, nogil=True)
def _breakend(buf, a, b, row):  # type: ignore[no-untyped-def]
    """Read a breakend ALT into `row`; one that cannot be read gets no side."""
    row.kind = _BREAKEND
    one, two = -1, -1
    for i in range(a, b):
        if buf[i] == 91 or buf[i] == 93:
            if one < 0:
                one = i
            elif two < 0:
                two = i
            else:
                return
    if one < 0:
        # a single breakend: `G.` keeps what is left of it, `.G` what is right
        if b - a > 1 and (buf[a] == 46) != (buf[b - 1] == 46):
            row.side = _RIGHT if buf[a] == 46 else _LEFT
        return
    if two < 0 or buf[one] != buf[two] or (one != a) == (two != b - 1):
        return
    colon = two - 1
    while colon > one and buf[colon] != 58:
        colon -= 1
    valid, position = _integer(buf, colon + 1, two)
    if colon <= one + 1 or not valid or position < 0:
        return
    row.side = _RIGHT if one == a else _LEFT
    row.mate_side = _RIGHT if buf[one] == 91 else _LEFT
    row.mate, row.mate_end, row.mate_position = one + 1, colon, position


@njit(cache=True, nogil=True)
def _wide(buf, a, b, n):  # type: ignore[no-untyped-def]
    """True for a confidence interval that is not 0,0. It holds a pair for each ALT, or one pair for all."""
    for part in (2 * n, 2 * n + 1):
        x, y = _nth(buf, a, b, part)
        if x == b and n > 0:
            x, y = _nth(buf, a, b, part - 2 * n)
        valid, value = _integer(buf, x, y)
        if not valid or value != 0:
            return True
    return False


@njit(cache=True, nogil=True)
def _info(buf, a, b, n, row):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    """Read INFO into `row`, of ALT number n (0-based); spans of SVTYPE, CHR2 and END2."""
    type_a, type_b, contig_a, contig_b, end_a, end_b = 0, 0, 0, 0, 0, 0
    first = a
    for i in range(a, b + 1):
        if i < b and buf[i] != 59:
            continue
        equal = first
        while equal < i and buf[equal] != 61:
            equal += 1
        x, y = min(equal + 1, i), i
        if _is(buf, first, equal, _END):
            valid, value = _integer(buf, x, y)
            if valid and value >= 0:
                row.end = value
        elif _is(buf, first, equal, _SVLEN):
            x, y = _nth(buf, x, y, n)
            valid, value = _integer(buf, x, y)
            if valid:
                row.length = abs(value)
        elif _is(buf, first, equal, _CN):
            x, y = _nth(buf, x, y, n)
            valid, value = _integer(buf, x, y)
            if valid and 0 <= value < 1 << 30 and not row.per_haplotype:
                row.copies = value
        elif _is(buf, first, equal, _CIPOS) or _is(buf, first, equal, _CIEND):
            row.inexact |= _wide(buf, x, y, n)
        elif _is(buf, first, equal, _IMPRECISE):
            row.inexact = True
        elif _is(buf, first, equal, _MATEID):
            row.mate_id, row.mate_id_end = _nth(buf, x, y, n)
        elif _is(buf, first, equal, _SVTYPE):
            type_a, type_b = x, y
        elif _is(buf, first, equal, _CHR2):
            contig_a, contig_b = x, y
        elif _is(buf, first, equal, _END2):
            end_a, end_b = x, y
        first = i + 1
    return type_a, type_b, contig_a, contig_b, end_a, end_b


@njit(cache=True, nogil=True)
def parse_alleles(buf, position, alt, info, number, out):  # type: ignore[no-untyped-def]
    """Read n ALTs. `position`, `alt`, `info` int32[n, 2] are spans of POS, the ALT and INFO; `number` 0-based ALT numbers; `out` PARSED."""
    for i in range(position.shape[0]):
        row = out[i]
        row.kind, row.end, row.length, row.copies, row.mate_position = _UNKNOWN, -1, -1, -1, -1
        row.per_haplotype, row.inexact = False, False
        row.side, row.mate_side = 0, 0
        row.mate, row.mate_end, row.mate_id, row.mate_id_end = 0, 0, 0, 0
        valid, value = _integer(buf, np.int64(position[i, 0]), np.int64(position[i, 1]))
        row.position = value if valid and value >= 0 else -1
        a, b = np.int64(alt[i, 0]), np.int64(alt[i, 1])
        symbol = b - a > 2 and buf[a] == 60 and buf[b - 1] == 62
        if symbol:
            row.kind, row.copies = _kind(buf, a + 1, b - 1)
            row.per_haplotype = row.copies >= 0
        elif b > a:
            _breakend(buf, a, b, row)
        type_a, type_b, contig_a, contig_b, end_a, end_b = _info(buf, np.int64(info[i, 0]), np.int64(info[i, 1]), np.int64(number[i]), row)
        if symbol and row.kind == _UNKNOWN and type_b > type_a:
            row.kind = _kind(buf, type_a, type_b)[0]
        if symbol and row.kind == _BREAKEND and contig_b > contig_a:
            # callers that name the mate beside a symbol (Manta, Delly): which side is kept is not told
            valid, value = _integer(buf, end_a, end_b)
            row.mate_position = value if valid and value >= 0 else row.end
            row.mate, row.mate_end = contig_a, contig_b


def parsed(text: npt.NDArray[np.uint8], position: Any, alt: Any, info: Any, number: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
    """PARSED of n ALTs, see `parse_alleles`."""
    out = np.zeros(len(position), dtype=PARSED)
    spans = [np.ascontiguousarray(span, dtype=np.int32) for span in (position, alt, info)]
    parse_alleles(read_only(text), *spans, np.ascontiguousarray(number, dtype=np.int32), out)
    return out
