"""What tests of the store share: contracts, faults, clocks. Shipped, so that other backends can be tested too."""
