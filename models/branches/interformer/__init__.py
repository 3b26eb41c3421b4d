"""InterFormer and the three archs of its layers."""
