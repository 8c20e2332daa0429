import sys,tempfile,pathlib
from tests.app.obligations.cash_bank import *
from monitor.adapters.sql.store import open_store
from monitor.adapters.sql.obligations import list_obligations, revisions_of
f=pathlib.Path(tempfile.mkdtemp())
b=CashBank(f)
p=b.run([cash(0,"2026-05-04T14:00:00Z","6000.00"),cash(1,"2026-05-04T15:00:00Z","6000.00",conductor="P1"),cash(2,"2026-05-04T15:30:00Z","100.00"),
 cash(3,"2026-05-04T15:00:00Z","50000.00",currency="CNY",entity="BJ",customer="C2")])
print(p.counts, p.rule_errors)
with open_store(b.db) as s:
    with s.reading() as c:
        for o in list_obligations(c): print(o); print(revisions_of(c,o.obligation_id))
    print(s.verify())
