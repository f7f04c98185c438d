//! The harness itself: what it starts runs, what it counts is true, and nothing is left.

mod counting;
mod hosts;
