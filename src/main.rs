//! The entry of the binary.

fn main() {}
