"""How right single predictions for the test split are: measured, described, and on a page.

A task describes it by `findings`, most of which `measure` makes. A run keeps them, and `page` lays
them out.
"""
