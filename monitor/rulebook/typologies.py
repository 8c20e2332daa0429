"""The typologies: the folders that rules live in, and the three letters that stand in their ids."""

TYPOLOGIES: dict[str, tuple[str, str]] = {
    "structuring": ("STR", "Amounts are cut up so that no single one must be reported."),
    "pass_through": ("PAS", "Money comes in and leaves again at once."),
    "fan_in": ("FAN", "Many payers, one account."),
    "fan_out": ("FAN", "One account, many payees."),
    "cycle": ("CYC", "Money returns to where it came from."),
    "layering": ("LAY", "Money is moved through several accounts to hide its origin."),
    "dormant": ("DOR", "An account that slept is used again."),
    "new_account": ("NEW", "An account is used heavily at once after it was opened."),
    "round_amount": ("RND", "Large round amounts without a trade behind them."),
    "corridor": ("COR", "Payments from or to places of higher risk."),
    "income": ("INC", "Activity that the declared income does not explain."),
    "behaviour": ("BEH", "Activity unlike the customer's own past or its peers."),
    "cash": ("CSH", "Cash that does not fit the customer."),
    "large_cash": ("LCT", "Cash above a limit of the law; obligations."),
    "large_transfer": ("LTT", "Transfers above a limit of the law; obligations."),
    "transparency": ("TRN", "Payments that lack the data that the law wants."),
    "crypto": ("CRY", "Payments to and from providers of crypto-assets."),
    "mule": ("MUL", "Accounts lent to others."),
    "fraud": ("FRD", "The customer is the victim."),
    "corruption": ("PEP", "Persons in public office and those near to them."),
    "trade": ("TBM", "Trade that does not explain the payments."),
    "evasion": ("EVA", "Tries to get past a control."),
    "terrorist_financing": ("TFI", "Small amounts for violent ends."),
    "lists": ("LST", "Parties that stand on a list."),
}
"""Folder name to the letters of the id and the meaning, as rules/README.md shows them."""
