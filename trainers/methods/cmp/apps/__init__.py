"""What a trained model is used for: moving and annotating an image."""
