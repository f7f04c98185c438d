//! stub
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
#[derive(Clone, Debug)]
pub struct Pm2 {
    bin: PathBuf,
    home: PathBuf,
}
#[derive(Clone, Debug)]
pub struct Proc {
    pub name: String,
    pub pid: Option<u32>,
    pub status: String,
    pub restarts: u32,
    pub exit_code: Option<i32>,
    pub cwd: PathBuf,
}
pub struct Spec {
    pub name: String,
    pub script: PathBuf,
    pub args: Vec<String>,
    pub folder: PathBuf,
    pub env: BTreeMap<String, String>,
    pub log: PathBuf,
    pub kill_timeout: Duration,
}
#[derive(Debug, thiserror::Error)]
pub enum Pm2Error {
    #[error("no daemon")]
    NoDaemon { home: PathBuf },
}
impl Pm2 {
    pub fn new(bin: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Pm2 {
        Pm2 {
            bin: bin.into(),
            home: home.into(),
        }
    }
    pub async fn list(&self) -> Result<Vec<Proc>, Pm2Error> {
        unimplemented!()
    }
    pub async fn named(&self, _n: &str) -> Result<Vec<Proc>, Pm2Error> {
        unimplemented!()
    }
    pub async fn start(&self, _s: &Spec, _f: &Path) -> Result<Proc, Pm2Error> {
        unimplemented!()
    }
    pub async fn delete(&self, _n: &str) -> Result<(), Pm2Error> {
        unimplemented!()
    }
    pub async fn save(&self) -> Result<(), Pm2Error> {
        unimplemented!()
    }
    pub fn dump(&self) -> Result<Vec<Proc>, Pm2Error> {
        unimplemented!()
    }
}
