//! NGINX for one app: the files that `bg` writes, a user's own site with the app led through
//! them, and its endpoints, where a switch is verified.

pub mod endpoint;
pub mod render;
pub mod takeover;
mod values;

#[cfg(test)]
mod canary_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod preview_tests;
#[cfg(test)]
mod rehearsal;
#[cfg(test)]
mod reload_tests;
#[cfg(test)]
mod render_tests;
#[cfg(test)]
mod route_tests;
#[cfg(test)]
mod visitor_tests;
#[cfg(test)]
mod watch_tests;
