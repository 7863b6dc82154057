"""Pictures of samples, and the sheet they hang on."""
