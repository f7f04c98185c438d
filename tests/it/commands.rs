//! Every command as people and programs use it: what it prints, what it leaves alone, how
//! it ends.

mod first_steps;
mod json;
mod looking;
mod readme;
mod shell;
mod words;
