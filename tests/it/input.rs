//! What people get wrong, and what their repositories and folders are like: each mistake
//! is refused with its exit code and in words, and the live color goes on answering.

mod configuration;
mod environment;
mod packages;
mod refused;
mod repository;
mod spaces;
