"""Views as training reads them: several as one, which of their videos train, samples by step, joint transforms."""
