//! `bg` from a laptop: over real SSH, on one host or several.

mod alone;
mod cuts;
mod requests;
mod same;
mod together;
