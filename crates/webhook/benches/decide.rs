//! How fast a review is decided on.

fn main() {}
