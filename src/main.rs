//! Parse flags, call the library, return its exit code.
fn main() {}
