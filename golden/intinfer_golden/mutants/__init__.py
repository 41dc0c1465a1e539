"""Wrong designs made from a right one, and which of them a test bench fails: how else would one know that it can?"""

from .campaign import Design, Outcome, campaign, checked
from .journal import Journal
from .own import designs_of, wrong_designs
from .processes import StoppedError

__all__ = ["Design", "Journal", "Outcome", "StoppedError", "campaign", "checked", "designs_of", "wrong_designs"]
