"""The shared golden samples, valid against their schemas, give the fields that they are known to hold."""

from pathlib import Path

import pytest
from lxml import etree

from tests.intake.iso20022.messages import rows

SHARED = Path(__file__).parents[3].parent / "shared"
UETR = "8a562c67-ca16-48ba-b074-65581be6f001"
SIDES = {
    "debtor_account": "000123456789", "debtor_name": "John Doe", "debtor_country": "US",
    "debtor_agent": "EXBKUS33XXX", "creditor_account": "GB29NWBK60161331926819",
    "creditor_name": "Foreign Trading Ltd", "creditor_country": "GB", "creditor_agent": "FRGNGB2LXXX",
    "amount": "9800.00", "currency": "USD", "channel": "wire", "remittance": "INV 2026-77",
}  # fmt: skip
GOLDEN = {
    "pain001": {
        **SIDES, "transaction_id": "order/INSTR0001/E2E0001", "booked_at": "2026-01-05T09:00:00-05:00",
        "status": "attempted", "debtor_address": "Springfield, US",
    },
    "pacs008": {
        **SIDES, "transaction_id": UETR, "booked_at": "2026-01-05T10:30:15+00:00", "purpose": "GDDS",
        "debtor_kind": "person", "debtor_address": "Example St, 100, 22150, Springfield, US",
        "creditor_address": "London, GB", "debtor_identification": "1985-04-12, Springfield, US",
    },
    "pacs002": {
        "transaction_id": f"{UETR}/RJCT", "booked_at": "2026-01-05T10:31:00+00:00", "channel": "wire",
        "status": "rejected", "reverses": UETR, "reason": "RR04",
    },
    "camt054": {
        "transaction_id": "000123456789/TELLER-0042", "booked_at": "2026-01-05T11:00:00-05:00",
        "creditor_account": "000123456789", "amount": "9500.00", "currency": "USD", "channel": "cash",
        "remittance": "Cash: 475 x 20 USD",
    },
}  # fmt: skip


@pytest.mark.shared
@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_sample_gives_its_fields(name: str):
    path = SHARED / "samples" / "golden" / f"{name}_valid.xml"
    if not path.exists():
        pytest.skip("the shared samples are not there: ../shared/samples/golden")
    data = path.read_bytes()
    namespace = etree.QName(etree.fromstring(data)).namespace or ""
    schema = etree.XMLSchema(etree.parse(SHARED / "schemas" / "iso20022" / f"{namespace.rpartition(':')[2]}.xsd"))
    schema.assertValid(etree.fromstring(data))
    ((fields,), _, _) = rows(data, zone="America/New_York")
    assert fields == GOLDEN[name]
