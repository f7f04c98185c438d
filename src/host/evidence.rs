//! stub
use super::front::Door;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
pub struct Evidence;
pub struct Running;
#[derive(Debug)]
pub struct Counted {
    pub sent: u64,
    pub failed: u64,
    pub failures: Vec<String>,
    pub last_old_ms: Option<f64>,
    pub enough: bool,
}
impl Evidence {
    pub fn start(_d: Door, _p: String, _o: SocketAddr) -> Running {
        Running
    }
}
impl Running {
    pub fn swapped_at(&self, _i: Instant) {}
    pub async fn finish(self, _w: Duration) -> Counted {
        unimplemented!()
    }
}
