"""Views as training reads them: several as one, which of their videos train, samples by step, joint transforms."""

from trainers.data.views import Views, open_views

__all__ = ["Views", "open_views"]
