"""The configuration of a network: the axes of the design space, and the network built from them."""
