"""What is measured: flow, segmentation, masks in videos."""
