//! What nobody friendly would send, name or leave: each of it is refused in words or taken as
//! what it is, in bounded time and memory, and the live color goes on answering.

mod answers;
mod later;
mod names;
