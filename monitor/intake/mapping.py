"""A mapping: how the columns of a bank's own file become the fields of a transaction.

``map.yaml`` is data, read strictly; ``docs/mapping.md`` describes it with a full example. The public layouts
(:mod:`monitor.intake.layouts`) are mappings too. A mapping never decides about a payment: what it makes is checked
like any other record, and a cell that it cannot read goes on unchanged and is refused with a reason.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from monitor.domain.time import parse_duration_us, parse_time_us
from monitor.intake.entities import Zone
from monitor.intake.record_fields import FIELDS
from monitor.intake.yaml_files import read_model

WORDS_MAX = 10_000


def _rule_of(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class FieldRule(BaseModel):
    """Where one field comes from: one of ``column``, ``columns``, ``constant`` and ``row``, then conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str | None = None
    columns: list[str] | None = Field(default=None, min_length=2, max_length=8)
    """Joined with a blank, as for a date and a time of day."""
    constant: str | None = None
    row: str | None = None
    """This text and the row's number in the file, for files without an id."""
    words: dict[str, str] | None = Field(default=None, max_length=WORDS_MAX)
    """Words of the source and what they mean."""
    otherwise: str | None = None
    """For words that are not in ``words``; without it they go on unchanged."""
    format: str | None = None
    """Of a time, as strptime writes it, such as ``%d.%m.%Y %H:%M:%S``; without it ISO 8601."""
    zone: Zone | None = None
    """Of times that name none."""
    step: str | None = None
    """The cell is a number of steps of this length after ``origin``."""
    origin: str | None = None
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'"] = ""
    amount_decimals: Literal["exact", "round"] = "exact"
    """``round`` drops decimals that the currency does not have, half to even. For public data sets only."""

    @model_validator(mode="after")
    def _is_whole(self) -> "FieldRule":
        sources = [self.column, self.columns, self.constant, self.row]
        if sum(source is not None for source in sources) != 1:
            raise ValueError("name exactly one of column, columns, constant and row")
        if self.otherwise is not None and self.words is None:
            raise ValueError("'otherwise' needs 'words'")
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same character")
        if (self.step is None) != (self.origin is None):
            raise ValueError("step and origin go together")
        if self.step is not None and self.origin is not None:
            parse_duration_us(self.step)
            parse_time_us(self.origin)
        return self

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The columns that the rule reads."""
        return (self.column,) if self.column is not None else tuple(self.columns or ())


class Mapping(BaseModel):
    """A whole mapping: a rule per field, what is left out, and whose the accounts are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "mapping"
    subject: Literal["customer", "account"] = "customer"
    """``account``: the source names no customers; every account is the bank's own and its own subject."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    fields: dict[str, Annotated[FieldRule, BeforeValidator(_rule_of)]] = Field(min_length=1)
    drop: list[str] = []
    """Columns that are left out on purpose."""

    @model_validator(mode="after")
    def _knows_its_fields(self) -> "Mapping":
        for name, rule in self.fields.items():
            if name not in FIELDS:
                raise ValueError(f"{name!r} is no field of a transaction; they are {', '.join(FIELDS)}")
            is_time, is_amount = name in ("booked_at", "received_at"), name == "amount"
            if not is_time and (rule.format or rule.zone or rule.step):
                raise ValueError(f"{name}: format, zone and step belong to booked_at and received_at")
            if not is_amount and (rule.decimal != "." or rule.thousands or rule.amount_decimals != "exact"):
                raise ValueError(f"{name}: decimal, thousands and amount_decimals belong to amount")
        both = {column for rule in self.fields.values() for column in rule.source_columns} & set(self.drop)
        if both:
            raise ValueError(f"drop: {', '.join(sorted(both))} is used by a field as well")
        return self

    def source_columns(self) -> dict[str, str]:
        """The columns that are read, each with the field that reads it."""
        return {column: name for name, rule in self.fields.items() for column in rule.source_columns}


class MappingError(Exception):
    """File and mapping do not fit; the message says where, what, why and what to do."""


def load_mapping(path: Path) -> Mapping:
    """Read a mapping.

    Raises:
        YamlFileError: The file is wrong; the message names the line.
        OSError: The file cannot be read.
    """
    return read_model(path, Mapping)


def check_columns(mapping: Mapping, columns: list[str], file: str) -> None:
    """Every column of a file is either read or dropped, and every one that is read is there.

    >>> check_columns(Mapping(fields={"amount": "AMT"}, drop=["X"]), ["AMT", "X"], "in.csv")

    Raises:
        MappingError: A column is missing or not spoken for.
    """
    wanted = mapping.source_columns()
    for column, field in wanted.items():
        if column not in columns:
            raise MappingError(
                f"{file}: the column {column!r} is missing; {mapping.name} reads {field} from it. "
                f"The file has: {', '.join(columns)}. Correct the mapping or the file."
            )
    left = [column for column in columns if column not in wanted and column not in mapping.drop]
    if left:
        raise MappingError(
            f"{file}: {mapping.name} does not say what the column {left[0]!r} is"
            f"{f' (and {len(left) - 1} more)' if len(left) > 1 else ''}. Nothing is left out silently: map it under "
            "'fields' or list it under 'drop'."
        )


def identity_mapping(columns: list[str]) -> Mapping:
    """The mapping of a file whose columns are the fields themselves."""
    return Mapping.model_construct(
        name="the canonical form",
        subject="customer",
        delimiter=",",
        fields={column: FieldRule(column=column) for column in columns if column in FIELDS},
        drop=[],
    )
