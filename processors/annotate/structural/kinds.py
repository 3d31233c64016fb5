"""The closed sets of structural calling: kinds of alleles, which side of a break is kept, what is wrong with a record."""

from __future__ import annotations

import enum


class Kind(enum.IntEnum):
    """What an ALT stands for; `label` is what tables and people see."""

    NONE = 0  # no structural allele
    DELETION = 1
    DUPLICATION = 2
    TANDEM_DUPLICATION = 3
    INSERTION = 4
    INVERSION = 5
    COPY_NUMBER = 6  # a number of copies, or a change of it without a direction
    BREAKEND = 7
    UNKNOWN = 8  # a symbol of no known meaning, such as <CPX>

    @property
    def label(self) -> str:
        return self.name.lower()


class Direction(enum.IntEnum):
    """What becomes of the bases of the span."""

    NONE = 0  # moved, turned, or changed in number without a direction
    LOSS = 1
    GAIN = 2  # more copies of it
    INSERTED = 3  # something put in at a point
    BREAK = 4  # joined to something else at a point


class Side(enum.IntEnum):
    """Which part of the reference, seen from a break, is kept and joined."""

    NONE = 0
    LEFT = 1  # the part of lower positions
    RIGHT = 2


class Problem(enum.IntEnum):
    """What is wrong with a structural record, counted by `reason`; a record with one of CALLED is called all the same."""

    NONE = 0
    KIND_UNKNOWN = 1
    TEXT_CUT = 2  # the kept text of the record ends before its INFO
    CONTIG_UNKNOWN = 3
    MITOCHONDRION_NOT_RCRS = 4
    BEYOND_CONTIG = 5
    WITHOUT_END = 6  # neither END nor SVLEN
    END_BEFORE_START = 7
    BREAKEND_UNREADABLE = 8
    LENGTH_CONTRADICTS = 9  # SVLEN is not END - POS; END is believed
    MATE_UNKNOWN = 10  # the mate's contig is none of the build
    MATE_BEYOND_CONTIG = 11

    @property
    def reason(self) -> str:
        return f"structural_{self.name.lower()}" if self else ""


CALLED = (Problem.NONE, Problem.LENGTH_CONTRADICTS, Problem.MATE_UNKNOWN, Problem.MATE_BEYOND_CONTIG)
"""Problems that leave a place to call."""
