"""ISO 20022 messages to transactions: pain.001, pacs.008, pacs.002, pacs.004 and camt.054.

The bytes are divided into payments first (:mod:`.dividing`), so that damage stays where it is and each payment keeps
its bytes; lxml reads them (:mod:`.reading`); path tables say which element is which field (:mod:`.tables`), and
:mod:`.meaning` what a message of its kind says about a payment. :mod:`.decoding` hands the result to the one decoder
of records. ``docs/iso20022.md`` is the page for users.
"""
