"""How gnomAD's releases spell what they say: INFO keys of v2.1, v3.1 and v4 sites files, of exomes, genomes and both joint.

Sources: the headers of gnomAD's own files. v2.1.1 calls groups populations (`popmax`, `faf95_nfe`, sexes `male`, `female`), v3.1 has the
sexes `XX`, `XY` and wrote `-` for `_` in its first files, v4 calls groups genetic ancestry (`grpmax`, `fafmax_faf95_max`). The joint file
of v4.1 has the suffix `_joint`; v4.0's exomes and genomes carry joint counts beside their own, which are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from processors.knowledge.sources.refused import SourceRefused

GROUPS = ("afr", "ami", "amr", "asj", "eas", "fin", "mid", "nfe", "oth", "remaining", "sas")
"""Groups of all releases; `oth` became `remaining` in v4."""
FILTERS = ("AC0", "AS_VQSR", "RF", "InbreedingCoeff", "EXOMES_FILTERED", "GENOMES_FILTERED", "BOTH_FILTERED")
FLAGS = (
    "lcr", "segdup", "decoy", "non_par", "monoallelic", "only_het", "fail_interval_qc", "outside_ukb_capture_region",
    "outside_broad_capture_region", "not_called_in_exomes", "not_called_in_genomes",
)  # fmt: skip
"""Flags that are kept. v2's and v3's `nonpar` is v4's `non_par`."""
_INFO = re.compile(rb"##INFO=<ID=([^,]+),Number=([^,]+)")


class Data(StrEnum):
    """What was sequenced."""

    EXOMES = "exomes"
    GENOMES = "genomes"
    JOINT = "joint"


@dataclass(frozen=True)
class Key:
    """An INFO key and its Number: `A` or `1`."""

    name: str
    number: str


@dataclass(frozen=True)
class Keys:
    """The keys of one file. None: the file does not have it. `faf_groups`, `af`, `an`: by group."""

    release: str  # v2, v3, v4
    af_all: Key
    ac: Key
    an_all: Key
    faf: Key | None
    faf_group: Key | None
    faf_groups: tuple[tuple[str, Key], ...]
    group_max: Key | None
    group_af: Key | None
    group_an: Key | None
    homozygotes: Key | None
    xy: Key | None
    af: tuple[tuple[str, Key], ...]
    an: tuple[tuple[str, Key], ...]
    flags: tuple[tuple[str, str], ...]  # (name here, key in the file)

    @property
    def names(self) -> tuple[str, ...]:
        """All INFO keys that are read."""
        single = (self.af_all, self.ac, self.an_all, self.faf, self.faf_group, self.group_max, self.group_af, self.group_an)
        more = (self.homozygotes, self.xy, *(key for pairs in (self.faf_groups, self.af, self.an) for _, key in pairs))
        found = [key.name for key in (*single, *more) if key is not None]
        return tuple(dict.fromkeys([*found, *(key for _, key in self.flags)]))


def info_keys(header: bytes) -> dict[str, str]:
    """INFO key → Number of a header."""
    return {name.decode(): number.decode() for name, number in _INFO.findall(header)}


def data_of(held: Mapping[str, str]) -> Data | None:
    """What a header's keys say was sequenced; None where they do not tell."""
    spelled = {name.replace("-", "_") for name in held}
    if "AC_joint" in spelled and "AC" not in spelled:
        return Data.JOINT
    if spelled & {"fail_interval_qc", "outside_ukb_capture_region", "AC_non_ukb", "non_cancer_AC", "AC_grpmax_non_ukb"}:
        return Data.EXOMES
    if "AC_ami" in spelled:  # Amish were sequenced as genomes only
        return Data.GENOMES
    if "popmax" in spelled and "rf_tp_probability" in spelled:  # v2: South Asians were sequenced as exomes only
        return Data.EXOMES if "AC_sas" in spelled else Data.GENOMES
    return None


def check_data(path: Path, held: Mapping[str, str], wanted: Data) -> None:
    """Raises SourceRefused where header, or without one the file's name, says that this is another of gnomAD's data types."""
    found = data_of(held) or next((data for data in Data if data.value in path.name.lower()), None)
    if found is not None and found is not wanted:
        raise SourceRefused(f"{path}: is gnomAD {found}, asked for is {wanted}; build it as gnomad_{found}")


def keys_of(path: Path, held: Mapping[str, str], data: Data) -> Keys:
    """The keys of a file. Raises SourceRefused where it has no AF, AC or AN of that data type."""
    spelled = {name.replace("-", "_"): Key(name, number) for name, number in held.items()}
    tail = "_joint" if data is Data.JOINT else ""

    def key(*names: str) -> Key | None:
        return next((spelled[name] for name in names if name in spelled), None)

    def grouped(stem: str) -> tuple[tuple[str, Key], ...]:
        found = ((group, key(f"{stem}{tail}_{group}", *([] if tail else [f"{stem}_adj_{group}"]))) for group in GROUPS)
        return tuple((group, one) for group, one in found if one is not None)

    needed = [key(f"{stem}{tail}") for stem in ("AF", "AC", "AN")]
    if needed[0] is None or needed[1] is None or needed[2] is None:
        lacks = ", ".join(f"{stem}{tail}" for stem, one in zip(("AF", "AC", "AN"), needed, strict=True) if one is None)
        raise SourceRefused(f"{path}: its header has no INFO/{lacks}; is this a gnomAD sites VCF of {data}?")
    release = "v4" if key(f"grpmax{tail}", f"fafmax_faf95_max{tail}") else "v3" if key("AC_XX", "AC_XY") else "v2"
    flags = tuple((name, one.name) for name in FLAGS if (one := key(name, *(["nonpar"] if name == "non_par" else []))) is not None)
    return Keys(
        release=release,
        af_all=needed[0],
        ac=needed[1],
        an_all=needed[2],
        faf=key(f"fafmax_faf95_max{tail}"),
        faf_group=key(f"fafmax_faf95_max_gen_anc{tail}"),
        faf_groups=grouped("faf95"),
        group_max=key(f"grpmax{tail}", f"popmax{tail}"),
        group_af=key(f"AF_grpmax{tail}", f"AF_popmax{tail}"),
        group_an=key(f"AN_grpmax{tail}", f"AN_popmax{tail}"),
        homozygotes=key(f"nhomalt{tail}"),
        xy=key(f"AC{tail}_XY", f"AC{tail}_male"),
        af=grouped("AF"),
        an=grouped("AN"),
        flags=flags,
    )
