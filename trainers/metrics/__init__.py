"""What is measured: flow, segmentation."""
