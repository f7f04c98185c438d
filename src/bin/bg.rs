//! `bg`.
fn main() {}
