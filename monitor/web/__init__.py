"""The workbench: the queue of cases in a browser, served by ``aml serve``.

``app`` puts it together; ``door`` says who is there and what they may do; ``queue`` and ``case`` are its pages;
``shown`` makes words and numbers of a case; ``words`` has them in each language. Pages are made on the server; htmx,
which is part of the package, exchanges pieces of them. Nothing is fetched from elsewhere, and no script stands inside
a page.
"""
